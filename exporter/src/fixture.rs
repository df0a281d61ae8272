//! Machines that never were: trees of proc and sysfs from one text file each, unpacked for a
//! test. After a line of description the file is a list of entries: `=== path`, then the text of
//! that file; `=== path -> target` is a symbolic link.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// An unpacked tree, removed when it is dropped.
pub(crate) struct Fixture(TempDir);

impl Fixture {
    /// The machine of that name.
    pub(crate) fn unpack(name: &str) -> Self {
        let file =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{name}.tree"));
        let text = fs::read_to_string(&file).unwrap();
        let directory = TempDir::with_prefix("exporter-").unwrap();
        for entry in text.split("=== ").skip(1) {
            let (head, content) = entry.split_once('\n').unwrap_or((entry, ""));
            let (path, target) = head
                .split_once(" -> ")
                .map_or((head, None), |(p, t)| (p, Some(t)));
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match target {
                Some(target) => std::os::unix::fs::symlink(target, path).unwrap(),
                None => fs::write(path, content).unwrap(),
            }
        }
        Self(directory)
    }

    /// A path in the tree.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }
}
