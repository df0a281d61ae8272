use std::path::Path;
use std::time::Duration;

use super::*;
use crate::config::FileDiscovery;

async fn next(found: &mut Found) -> Vec<String> {
    tokio::time::timeout(Duration::from_secs(20), found.changed())
        .await
        .expect("the targets change");
    shown(found)
}

fn shown(found: &mut Found) -> Vec<String> {
    found.targets().iter().map(Labels::to_string).collect()
}

fn watched(folder: &Path) -> Discoveries {
    Discoveries {
        lists: vec![StaticConfig {
            targets: vec!["a:1".to_owned(), "b:1".to_owned()],
            labels: Labels::from_pairs([("x", "y")]),
        }],
        files: vec![FileDiscovery {
            files: vec![folder.join("*.yml"), folder.join("t.json")],
            refresh_interval: Duration::from_mins(5),
        }],
        http: Vec::new(),
        dns: Vec::new(),
    }
}

#[tokio::test]
async fn files_are_watched_and_keep_what_they_gave() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let fresh = folder.path().join("fresh");
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(fresh, folder.path().join(name)).unwrap();
    };
    let discovery = Discovery::default();
    let mut found = discovery.start(&watched(folder.path())).unwrap();
    assert!(!found.is_complete(), "nobody has looked");
    let mut changes = found.changes().unwrap();
    let listed = [
        r#"{__address__="a:1",x="y"}"#,
        r#"{__address__="b:1",x="y"}"#,
    ];
    assert_eq!(shown(&mut found), listed);

    let target = |address: &str, file: &str| {
        let file = folder.path().join(file).display().to_string();
        format!("{{__address__={address:?},__meta_filepath={file:?}}}")
    };
    write("one.yml", "- targets: ['c:1']\n");
    let yaml = target("c:1", "one.yml");
    assert_eq!(next(&mut found).await[2..], *std::slice::from_ref(&yaml));
    assert!(found.is_complete());
    changes.changed().await;
    write("t.json", r#"[{"targets": ["d:1"]}]"#);
    let json = target("d:1", "t.json");
    assert_eq!(next(&mut found).await[2..], [yaml.clone(), json.clone()]);
    // The broken file keeps its target, the one that is gone loses it.
    write("one.yml", "- targets: 5\n");
    std::fs::remove_file(folder.path().join("t.json")).unwrap();
    assert_eq!(next(&mut found).await[2..], [yaml]);
    std::fs::remove_file(folder.path().join("one.yml")).unwrap();
    assert_eq!(next(&mut found).await, listed);

    drop(found);
    let only_lists = Discoveries {
        files: Vec::new(),
        ..watched(folder.path())
    };
    let fixed = discovery.start(&only_lists).unwrap();
    assert!(fixed.is_complete() && fixed.changes().is_none());
    drop(fixed);
    discovery.stop().await;
}
