//! What the rules look at: the files of the repository, or a sample of made-up ones.

use std::fs;
use std::path::{Path, PathBuf};

use super::tokens::{self, Token};

/// Files in order of their path.
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
}

/// One file. `path` is relative to the repository, with forward slashes.
pub(crate) struct File {
    pub(crate) path: String,
    /// Empty for what is not UTF-8: no rule looks into pictures and archives.
    pub(crate) text: String,
}

impl Tree {
    /// Everything in the checkout but what `.gitignore` names at its top level.
    pub(crate) fn of_repository() -> Tree {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let ignored = fs::read_to_string(root.join(".gitignore")).unwrap();
        let mut skipped: Vec<PathBuf> = ignored
            .lines()
            .filter_map(|l| l.strip_prefix('/'))
            .map(PathBuf::from)
            .collect();
        skipped.push(PathBuf::from(".git"));
        let mut files = Vec::new();
        collect(&root, Path::new(""), &skipped, &mut files);
        files.sort_by(|a, b| a.path.cmp(&b.path));
        assert!(files.len() > 20, "the walk saw {} files only", files.len());
        Tree { files }
    }

    /// A made-up tree.
    pub(crate) fn sample(files: &[(&str, &str)]) -> Tree {
        let file = |(path, text): &(&str, &str)| File {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        };
        Tree {
            files: files.iter().map(file).collect(),
        }
    }

    /// The Rust sources.
    pub(crate) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|f| f.has_extension("rs"))
    }

    /// The Cargo manifests.
    pub(crate) fn manifests(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|f| f.name() == "Cargo.toml")
    }
}

impl File {
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    pub(crate) fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|e| e == extension)
    }

    pub(crate) fn tokens(&self) -> Vec<Token<'_>> {
        tokens::tokens(&self.text)
    }

    /// The lines with their numbers, from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }
}

fn collect(root: &Path, folder: &Path, skipped: &[PathBuf], files: &mut Vec<File>) {
    for entry in fs::read_dir(root.join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = folder.join(entry.file_name());
        if skipped.contains(&path) {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            collect(root, &path, skipped, files);
        } else {
            let bytes = fs::read(entry.path()).unwrap_or_default();
            files.push(File {
                path: path
                    .to_str()
                    .expect("paths here are UTF-8")
                    .replace('\\', "/"),
                text: String::from_utf8(bytes).unwrap_or_default(),
            });
        }
    }
}
