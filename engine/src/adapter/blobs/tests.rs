//! The same scripts for a folder and for memory, and what only a folder can go through.

use std::fs::{self, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::id::BlobId;
use crate::limits::GROUP_BYTES;
use crate::port::{Blobs, Content, Fault, Receiving, Unfinished};
use crate::tree::{Parents, Verifier, groups};

const BLOB: BlobId = BlobId([7; 16]);
const SIZES: [usize; 7] = [
    0,
    1,
    GROUP_BYTES,
    GROUP_BYTES + 1,
    4 * GROUP_BYTES,
    65_535,
    9 * GROUP_BYTES + 77,
];

fn file(size: usize) -> Vec<u8> {
    (0..size)
        .map(|place| ((place / 5) ^ (place * 3)) as u8)
        .collect()
}

fn hash(content: &[u8]) -> [u8; 32] {
    *blake3::hash(content).as_bytes()
}

fn both(run: impl Fn(&dyn Blobs)) {
    let folder = tempfile::tempdir().unwrap();
    run(&DirBlobs::open(folder.path()).unwrap());
    run(&MemoryBlobs::new());
}

fn receive(blobs: &dyn Blobs, content: &[u8]) -> Box<dyn Receiving> {
    blobs.receive(BLOB, content.len() as u64).unwrap()
}

/// Sends what is missing.
fn fill(receiving: &mut dyn Receiving, content: &[u8]) {
    let offset = receiving.offset() as usize;
    for part in content[offset..].chunks(10_000) {
        receiving.write(&[part]).unwrap();
    }
}

/// Reads all of it from a group on, as a receiver would: what is not proven is an error.
fn read(content: &mut dyn Content, whole: &[u8], first: u64) -> Result<(), String> {
    let size = whole.len() as u64;
    let mut parents = Parents::new(size, first);
    let mut verifier = Verifier::new(hash(whole), size, first);
    for group in first..groups(size) {
        let start = group as usize * GROUP_BYTES;
        let mut bytes = vec![0; GROUP_BYTES.min(whole.len() - start)];
        let told = |fault: Fault| fault.to_string();
        content.read(start as u64, &mut bytes).map_err(told)?;
        let proof = content.pairs(&parents.next_group()).map_err(told)?;
        verifier
            .prove(&proof, &bytes)
            .map_err(|error| error.to_string())?;
        assert_eq!(bytes, whole[start..start + bytes.len()]);
    }
    Ok(())
}

#[test]
fn what_was_received_can_be_read_and_proven_from_anywhere() {
    both(|blobs| {
        for size in SIZES {
            let content = file(size);
            let mut receiving = receive(blobs, &content);
            assert_eq!(receiving.offset(), 0);
            fill(&mut *receiving, &content);
            receiving.finish(&hash(&content)).unwrap();
            receiving.finish(&hash(&content)).unwrap();
            let mut open = blobs.open(BLOB, size as u64).unwrap();
            for first in 0..groups(size as u64) {
                assert_eq!(read(&mut *open, &content, first), Ok(()));
            }
            assert_eq!(blobs.list(), Ok(vec![BLOB]));
            blobs.remove(BLOB).unwrap();
            blobs.remove(BLOB).unwrap();
            assert_eq!(blobs.list(), Ok(vec![]));
            assert!(matches!(
                blobs.open(BLOB, size as u64).err(),
                Some(Fault::Damaged(_))
            ));
        }
    });
}

#[test]
fn another_content_than_announced_is_not_taken_and_can_be_sent_anew() {
    both(|blobs| {
        let content = file(3 * GROUP_BYTES);
        let mut receiving = receive(blobs, &content);
        assert_eq!(receiving.finish(&hash(&content)), Err(Unfinished::NotIt));
        fill(&mut *receiving, &content);
        assert_eq!(receiving.finish(&[0; 32]), Err(Unfinished::NotIt));
        receiving.finish(&hash(&content)).unwrap();
        assert!(receiving.write(&[b"more"]).is_err(), "it has its size");
    });
}

#[test]
fn what_comes_in_can_be_read_as_far_as_it_came() {
    both(|blobs| {
        let content = file(3 * GROUP_BYTES);
        let mut receiving = receive(blobs, &content);
        receiving.write(&[&content[..20_000]]).unwrap();
        let mut open = blobs.open(BLOB, content.len() as u64).unwrap();
        let mut bytes = vec![0; 20_000];
        open.read(0, &mut bytes).unwrap();
        assert_eq!(bytes, content[..20_000]);
        assert!(open.read(1, &mut bytes).is_err());
        // Also after the name changed.
        fill(&mut *receiving, &content);
        receiving.finish(&hash(&content)).unwrap();
        open.read(20_000, &mut bytes).unwrap();
        assert_eq!(bytes, content[20_000..40_000]);
    });
}

/// Their pairs are more than are read at a time.
#[test]
fn many_groups_are_proven_from_any_of_them_on() {
    both(|blobs| {
        let content = file(700 * GROUP_BYTES + 5);
        let mut receiving = receive(blobs, &content);
        for parts in content.chunks(200_000) {
            let parts: Vec<&[u8]> = parts.chunks(16_000).collect();
            receiving.write(&parts).unwrap();
        }
        receiving.finish(&hash(&content)).unwrap();
        let mut open = blobs.open(BLOB, content.len() as u64).unwrap();
        for first in [0, 255, 256, 511, 513, 700] {
            assert_eq!(read(&mut *open, &content, first), Ok(()), "from {first}");
        }
    });
}

#[test]
fn receiving_goes_on_where_it_was_and_when_it_was_done() {
    both(|blobs| {
        for size in SIZES {
            let content = file(size);
            for cut in [
                0,
                1,
                GROUP_BYTES,
                3 * GROUP_BYTES + 5,
                8 * GROUP_BYTES,
                size,
            ] {
                let cut = cut.min(size);
                let mut receiving = receive(blobs, &content);
                receiving.write(&[&content[..cut]]).unwrap();
                drop(receiving);
                let mut receiving = receive(blobs, &content);
                let offset = receiving.offset() as usize;
                assert!(offset <= cut, "{offset} of {cut}");
                assert!(cut - offset <= 2 * GROUP_BYTES, "{offset} of {cut}");
                fill(&mut *receiving, &content);
                receiving.finish(&hash(&content)).unwrap();
                drop(receiving);
                // A crash between this and its entry.
                let mut receiving = receive(blobs, &content);
                assert_eq!(receiving.offset(), size as u64);
                receiving.finish(&hash(&content)).unwrap();
                let mut open = blobs.open(BLOB, size as u64).unwrap();
                assert_eq!(read(&mut *open, &content, 0), Ok(()));
                blobs.remove(BLOB).unwrap();
            }
        }
    });
}

#[test]
fn memory_is_bounded_and_the_fault_stays() {
    let blobs = MemoryBlobs::with_room_for(100);
    let mut receiving = blobs.receive(BLOB, 1000).unwrap();
    receiving.write(&[&[0; 60]]).unwrap();
    assert!(matches!(receiving.write(&[&[0; 60]]), Err(Fault::Full(_))));
    assert!(matches!(receiving.write(&[&[0; 1]]), Err(Fault::Full(_))));
    assert!(matches!(
        receiving.finish(&[0; 32]),
        Err(Unfinished::Fault(Fault::Full(_)))
    ));
    assert_eq!(blobs.room(), Some(40));
    blobs.remove(BLOB).unwrap();
    assert_eq!(blobs.room(), Some(100));
}

/// A folder whose files are changed behind the adapter's back.
struct Disk {
    folder: TempDir,
    blobs: DirBlobs,
    content: Vec<u8>,
}

impl Disk {
    fn new(groups: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            blobs: DirBlobs::open(folder.path()).unwrap(),
            folder,
            content: file(groups * GROUP_BYTES + 9),
        }
    }

    fn path(&self, end: &str) -> PathBuf {
        self.folder.path().join(format!("{BLOB}{end}"))
    }

    fn whole(&self) {
        let mut receiving = receive(&self.blobs, &self.content);
        fill(&mut *receiving, &self.content);
        receiving.finish(&hash(&self.content)).unwrap();
    }

    fn read(&self) -> Result<(), String> {
        let size = self.content.len() as u64;
        let mut open = self.blobs.open(BLOB, size).map_err(|f| f.to_string())?;
        read(&mut *open, &self.content, 0)
    }

    /// What a crash left is gone on with, to the right end.
    fn goes_on_from(&self) -> u64 {
        let mut receiving = receive(&self.blobs, &self.content);
        let offset = receiving.offset();
        fill(&mut *receiving, &self.content);
        receiving.finish(&hash(&self.content)).unwrap();
        assert_eq!(self.read(), Ok(()));
        offset
    }
}

fn flip(path: &Path, place: u64) {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut byte = [0];
    file.seek(SeekFrom::Start(place)).unwrap();
    std::io::Read::read_exact(&mut file, &mut byte).unwrap();
    file.seek(SeekFrom::Start(place)).unwrap();
    file.write_all(&[byte[0] ^ 1]).unwrap();
}

fn cut(path: &Path, length: u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(length).unwrap();
}

#[test]
fn a_changed_bit_is_noticed_by_who_reads_it() {
    let disk = Disk::new(5);
    disk.whole();
    assert_eq!(disk.read(), Ok(()));
    for (end, place) in [
        ("", 0),
        ("", 40_000),
        ("", 5 * 16_384 + 8),
        (".tree", 64),
        (".tree", 300),
    ] {
        flip(&disk.path(end), place);
        assert!(disk.read().is_err(), "{end} {place}");
        flip(&disk.path(end), place);
    }
    assert_eq!(disk.read(), Ok(()));
    cut(&disk.path(""), 50_000);
    assert!(disk.read().is_err());
    fs::remove_file(disk.path("")).unwrap();
    assert!(disk.read().is_err());
}

/// After a loss of power a file may have any content behind what was synced.
#[test]
fn what_was_not_synced_is_proven_before_it_is_built_on() {
    let group = GROUP_BYTES as u64;
    for (synced, written, damage, expected) in [
        (0, 8, None, 8),
        (0, 8, Some(("", 5 * GROUP_BYTES as u64)), 4),
        (0, 8, Some((".tree", 64)), 0),
        (4, 8, Some(("", 7 * GROUP_BYTES as u64)), 6),
        // Pairs 3, 4, 5, 6 come after the first four groups.
        (4, 8, Some((".tree", 64 + 3 * 64)), 4),
        (7, 8, Some(("", 7 * GROUP_BYTES as u64)), 7),
    ] {
        let disk = Disk::new(10);
        let mut receiving = receive(&disk.blobs, &disk.content);
        let bytes = |groups: usize| groups * GROUP_BYTES;
        receiving.write(&[&disk.content[..bytes(synced)]]).unwrap();
        if synced > 0 {
            receiving.sync().unwrap();
        }
        let rest = &disk.content[bytes(synced)..bytes(written)];
        receiving.write(&[rest]).unwrap();
        drop(receiving);
        if let Some((end, place)) = damage {
            let end = if end.is_empty() { ".part" } else { end };
            flip(&disk.path(end), place);
        }
        assert_eq!(disk.goes_on_from(), expected * group, "{damage:?}");
    }
}

#[test]
fn files_that_a_crash_cut_short_are_gone_on_with() {
    for (part, tree) in [
        (0, 0),
        (0, 64),
        (100_000, 0),
        (100_000, 70),
        (70_000, 300),
        (163_849, 64),
    ] {
        let disk = Disk::new(10);
        let mut receiving = receive(&disk.blobs, &disk.content);
        receiving.write(&[&disk.content[..163_840]]).unwrap();
        receiving.sync().unwrap();
        drop(receiving);
        cut(&disk.path(".part"), part);
        cut(&disk.path(".tree"), tree);
        let offset = disk.goes_on_from();
        assert!(offset <= part.min(163_840), "{part} {tree} {offset}");
    }
}

#[test]
fn a_large_file_is_synced_beside_its_writing() {
    let size = 3 * crate::limits::BLOB_SYNC_BYTES as usize;
    let disk = Disk::new(size / GROUP_BYTES);
    let mut receiving = receive(&disk.blobs, &disk.content);
    receiving.write(&[&disk.content[..size]]).unwrap();
    receiving.sync().unwrap();
    drop(receiving);
    // What is noted as synced is not read again: it would be noticed here.
    flip(&disk.path(".part"), 5);
    let receiving = receive(&disk.blobs, &disk.content);
    assert_eq!(receiving.offset(), size as u64);
    drop(receiving);
    flip(&disk.path(".part"), 5);
    assert_eq!(disk.goes_on_from(), size as u64);
}

#[test]
fn a_file_is_private_and_has_its_name_only_when_it_is_whole() {
    let disk = Disk::new(3);
    let mut receiving = receive(&disk.blobs, &disk.content);
    fill(&mut *receiving, &disk.content);
    assert!(disk.path(".part").exists() && !disk.path("").exists());
    #[cfg(unix)]
    for end in [".part", ".tree"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(disk.path(end)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    receiving.finish(&hash(&disk.content)).unwrap();
    assert!(!disk.path(".part").exists() && disk.path("").exists());
}

#[test]
fn what_others_put_there_is_left_alone() {
    let disk = Disk::new(1);
    fs::write(disk.folder.path().join("letter.txt"), "dear grandmother").unwrap();
    disk.whole();
    assert_eq!(disk.blobs.list(), Ok(vec![BLOB]));
}

#[test]
fn a_backup_has_the_blobs_that_were_named() {
    let disk = Disk::new(3);
    disk.whole();
    let other = BlobId([8; 16]);
    drop(disk.blobs.receive(other, 100).unwrap());
    let to = tempfile::tempdir().unwrap();
    let copies = to.path().join("blobs");
    disk.blobs
        .backup(&[BLOB, BlobId([9; 16])], &copies)
        .unwrap();
    let copy = DirBlobs::open(&copies).unwrap();
    assert_eq!(copy.list(), Ok(vec![BLOB]));
    let mut open = copy.open(BLOB, disk.content.len() as u64).unwrap();
    assert_eq!(read(&mut *open, &disk.content, 0), Ok(()));
}
