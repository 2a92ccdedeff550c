//! What becomes of files in a real folder.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use pollster::block_on;

use super::DiskFiles;
use crate::model::{Code, Refusal};
use crate::port::{Files, Held, Part, Sink, SinkPlace};

fn open(folder: &Path, part: Option<Part>) -> Result<(Box<dyn Sink>, Held), Refusal> {
    block_on(DiskFiles.sink(folder.to_owned(), "a.txt".to_owned(), part))
}

fn part(content: &[u8], synced: u64) -> Part {
    Part {
        hash: Some(*blake3::hash(content).as_bytes()),
        size: content.len() as u64,
        boot: DiskFiles.boot(),
        synced,
    }
}

fn write(sink: &mut dyn Sink, bytes: Vec<Vec<u8>>) {
    block_on(sink.write(Box::new(|| Ok(bytes)))).unwrap();
}

fn complaint<T>(outcome: Result<T, Refusal>) -> String {
    let Err(refusal) = outcome else {
        panic!("it was done");
    };
    assert_eq!(refusal.code, Code::LocalFile);
    refusal.text
}

#[test]
fn a_file_has_its_name_only_when_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (mut sink, held) = open(folder.path(), None).unwrap();
    assert_eq!(held, Held::Bytes(0));
    block_on(sink.begin(6)).unwrap();
    write(&mut *sink, vec![b"abc".to_vec(), b"def".to_vec()]);
    assert!(!folder.path().join("a.txt").exists());
    assert_eq!(
        fs::read(folder.path().join("a.txt.part")).unwrap(),
        b"abcdef"
    );
    let path = block_on(sink.finish(None, false)).unwrap();
    assert_eq!(path, Some(folder.path().join("a.txt")));
    assert_eq!(fs::read(folder.path().join("a.txt")).unwrap(), b"abcdef");
    assert!(!folder.path().join("a.txt.part").exists());
}

#[test]
fn nothing_is_overwritten_and_no_link_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (outside, name) = (folder.path().join("outside"), folder.path().join("a.txt"));
    fs::write(&name, "mine").unwrap();
    assert!(complaint(open(folder.path(), None)).contains("a.txt exists and is not overwritten"));
    fs::remove_file(&name).unwrap();
    std::os::unix::fs::symlink(&outside, &name).unwrap();
    assert!(complaint(open(folder.path(), None)).contains("exists"));
    fs::remove_file(&name).unwrap();

    let part_name = folder.path().join("a.txt.part");
    std::os::unix::fs::symlink(&outside, &part_name).unwrap();
    assert!(complaint(open(folder.path(), None)).contains("in the way"));
    // Also not where a part of our own is expected.
    assert!(complaint(open(folder.path(), Some(part(b"x", 0)))).contains("a.txt.part"));
    fs::remove_file(&part_name).unwrap();

    // Or where the link comes between looking and making.
    let (mut sink, _) = open(folder.path(), None).unwrap();
    std::os::unix::fs::symlink(&outside, &part_name).unwrap();
    assert!(complaint(block_on(sink.begin(3))).contains("a.txt.part"));
    assert!(!outside.exists());
}

#[test]
fn a_name_that_is_taken_meanwhile_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (mut sink, _) = open(folder.path(), None).unwrap();
    block_on(sink.begin(3)).unwrap();
    write(&mut *sink, vec![b"abc".to_vec()]);
    fs::write(folder.path().join("a.txt"), "mine").unwrap();
    assert!(complaint(block_on(sink.finish(None, false))).contains("exists"));
    assert_eq!(fs::read(folder.path().join("a.txt")).unwrap(), b"mine");
    block_on(sink.discard());
    assert!(!folder.path().join("a.txt.part").exists());
}

#[test]
fn a_part_goes_on_where_it_was_and_is_checked_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let content = vec![7; 40_000];
    fs::write(folder.path().join("a.txt.part"), &content[..33_000]).unwrap();
    let (mut sink, held) = open(folder.path(), Some(part(&content, 0))).unwrap();
    assert_eq!(held, Held::Bytes(32_768), "whole groups only");
    block_on(sink.begin(40_000)).unwrap();
    write(&mut *sink, vec![content[32_768..].to_vec()]);
    let hash = part(&content, 0).hash;
    block_on(sink.finish(hash, false)).unwrap();
    assert_eq!(fs::read(folder.path().join("a.txt")).unwrap(), content);
}

#[test]
fn a_part_that_somebody_changed_never_gets_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let content = vec![7; 40_000];
    fs::write(folder.path().join("a.txt.part"), vec![8; 32_768]).unwrap();
    let (mut sink, _) = open(folder.path(), Some(part(&content, 0))).unwrap();
    block_on(sink.begin(40_000)).unwrap();
    write(&mut *sink, vec![content[32_768..].to_vec()]);
    let hash = part(&content, 0).hash;
    let refusal = block_on(sink.finish(hash, false)).unwrap_err();
    assert_eq!(refusal.code, Code::BadHash);
    assert!(!folder.path().join("a.txt").exists());
}

/// After the machine stopped, the length of a file says nothing about its content.
#[test]
fn after_another_start_of_the_machine_only_what_was_synced_counts() {
    let folder = tempfile::tempdir().unwrap();
    let content = vec![7; 80_000];
    fs::write(folder.path().join("a.txt.part"), &content[..70_000]).unwrap();
    let known = Part {
        boot: "another".to_owned(),
        ..part(&content, 40_000)
    };
    let (_, held) = open(folder.path(), Some(known)).unwrap();
    assert_eq!(held, Held::Bytes(32_768));
}

#[test]
fn a_run_that_could_not_say_that_it_was_done_is_done() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.txt"), "abc").unwrap();
    let (mut sink, held) = open(folder.path(), Some(part(b"abc", 0))).unwrap();
    assert_eq!(held, Held::Whole);
    let path = block_on(sink.finish(None, false)).unwrap();
    assert_eq!(path, Some(folder.path().join("a.txt")));
    // Something else of that name is not it.
    assert!(complaint(open(folder.path(), Some(part(b"abd", 0)))).contains("exists"));
}

#[test]
fn a_file_that_shrinks_grows_or_changes_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let changes: [fn(&File); 3] = [
        |file| file.set_len(99_999).unwrap(),
        |mut file| file.write_all(b"x").unwrap(),
        |file| file.set_modified(std::time::UNIX_EPOCH).unwrap(),
    ];
    for change in changes {
        fs::write(&path, vec![1; 100_000]).unwrap();
        let (found, stamp) = block_on(DiskFiles.look(path.clone())).unwrap();
        assert_eq!((&found, stamp.size), (&path, 100_000));
        let mut source = block_on(DiskFiles.source(path.clone(), stamp)).unwrap();
        assert_eq!(block_on(source.read(0, 3)).unwrap(), [1; 3]);
        change(&OpenOptions::new().append(true).open(&path).unwrap());
        assert!(complaint(block_on(source.read(3, 3))).contains("changed"));
        assert!(complaint(block_on(source.hash())).contains("changed"));
        assert!(complaint(block_on(DiskFiles.source(path.clone(), stamp))).contains("changed"));
    }
}

#[test]
fn the_hash_is_that_of_the_whole_file_wherever_reading_began() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let content: Vec<u8> = (0..300_000_u32).map(|n| n as u8).collect();
    fs::write(&path, &content).unwrap();
    let (path, stamp) = block_on(DiskFiles.look(path)).unwrap();
    let hash = *blake3::hash(&content).as_bytes();
    for reads in [
        &[0, 100_000][..],
        &[150_000],
        &[],
        &[100_000, 50_000, 200_000],
    ] {
        let mut source = block_on(DiskFiles.source(path.clone(), stamp)).unwrap();
        for &offset in reads {
            let read = block_on(source.read(offset, 100_000)).unwrap();
            assert_eq!(read, content[offset as usize..][..100_000]);
        }
        assert_eq!(block_on(source.hash()).unwrap(), hash, "{reads:?}");
    }
}

#[test]
fn paths_mean_a_folder_or_a_file_in_one() {
    let folder = tempfile::tempdir().unwrap();
    let place = |path: &str| block_on(DiskFiles.place(folder.path().join(path)));
    assert_eq!(place(""), Ok(SinkPlace::Folder(folder.path().to_owned())));
    assert_eq!(
        place("x"),
        Ok(SinkPlace::File {
            folder: folder.path().to_owned(),
            name: "x".to_owned()
        })
    );
    for path in ["none/x", "x/", "x/.."] {
        assert!(complaint(place(path)).contains("neither"), "{path}");
    }
    assert!(complaint(block_on(DiskFiles.look(folder.path().to_owned()))).contains("not a file"));
    assert!(complaint(block_on(DiskFiles.look(folder.path().join("no")))).contains("cannot read"));
}
