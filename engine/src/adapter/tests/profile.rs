//! The contract of a profile.

use pollster::block_on;

use crate::adapter::MemoryProfile;
use crate::id::{BlobId, ConversationId, Epoch, SendId, Seq};
use crate::model::{AccountName, Body, Code, FileOffer, Position, Refusal, RoomName, Target};
use crate::port::{
    Errand, FileStamp, ItemState, KnownServer, OutboxItem, Part, Profile, ProfileChange,
    ProfileState, SinkPlace, SourcePlace, TransferItem,
};

fn item(number: u8, state: ItemState) -> OutboxItem {
    let offer = FileOffer {
        name: "a.txt".to_owned(),
        size: 1,
        media_type: "text/plain".to_owned(),
        hash: [0; 32],
    };
    let mut body = Body::file(BlobId([number; 16]), &offer);
    body.extensions.0.push((900, vec![1, 2]));
    OutboxItem {
        id: SendId([number; 16]),
        order: number.into(),
        target: match number % 3 {
            0 => Target::Room(RoomName::new("lobby").unwrap()),
            1 => Target::Account(AccountName::new("bob").unwrap()),
            _ => Target::Conversation(ConversationId([7; 16])),
        },
        body: if number == 1 {
            Body::text("reply", Some(Seq(3)))
        } else {
            body
        },
        label: format!("label {number}"),
        state,
    }
}

fn position(conversation: u8, seq: u64) -> Position {
    Position {
        conversation: ConversationId([conversation; 16]),
        epoch: Epoch(u64::MAX),
        seq: Seq(seq),
    }
}

fn server(key: u8) -> KnownServer {
    KnownServer {
        address: "host:1".to_owned(),
        key: [key; 32],
    }
}

fn upload() -> TransferItem {
    TransferItem {
        id: SendId([1; 16]),
        order: 8,
        label: "up".to_owned(),
        errand: Errand::Upload {
            target: Target::Account(AccountName::new("bob").unwrap()),
            source: SourcePlace::Path("/a/b.txt".into()),
            name: "b.txt".to_owned(),
            media_type: "text/plain".to_owned(),
            stamp: FileStamp {
                size: 1 << 40,
                modified: -5,
            },
        },
    }
}

fn download(sink: SinkPlace, part: Option<Part>) -> TransferItem {
    TransferItem {
        id: SendId([2; 16]),
        order: 7,
        label: String::new(),
        errand: Errand::Download {
            blob: BlobId([3; 16]),
            sink,
            start: 5,
            length: part.is_none().then_some(6),
            part,
        },
    }
}

/// As it is once the server said what comes.
fn begun_download() -> TransferItem {
    let sink = SinkPlace::File {
        folder: "/d".into(),
        name: "b.txt".to_owned(),
    };
    let part = Part {
        hash: Some([4; 32]),
        size: 100,
        boot: "boot".to_owned(),
        synced: 64,
    };
    download(sink, Some(part))
}

fn fill(profile: &dyn Profile) {
    let refusal = Refusal::because(Code::Rejected, "no").retry_in(5);
    let saves = [
        vec![
            ProfileChange::Key([9; 32]),
            ProfileChange::PutItem(item(3, ItemState::Pending)),
            ProfileChange::PutItem(item(1, ItemState::Pending)),
            ProfileChange::PutItem(item(2, ItemState::Pending)),
            ProfileChange::PutItem(item(4, ItemState::Sent)),
        ],
        vec![
            ProfileChange::Enrolled(true),
            ProfileChange::SetPosition(position(1, 1)),
            ProfileChange::SetPosition(position(2, 1)),
            ProfileChange::PutServer(server(1)),
            ProfileChange::PutTransfer(upload()),
            ProfileChange::PutTransfer(download(SinkPlace::Folder("/d".into()), None)),
            ProfileChange::PutTransfer(TransferItem {
                id: SendId([9; 16]),
                ..upload()
            }),
        ],
        vec![
            ProfileChange::PutItem(item(2, ItemState::Failed(refusal))),
            ProfileChange::DropItem(SendId([4; 16])),
            ProfileChange::SetPosition(position(1, 2)),
            ProfileChange::DropPosition(ConversationId([2; 16])),
            ProfileChange::PutServer(server(2)),
            ProfileChange::PutTransfer(begun_download()),
            ProfileChange::DropTransfer(SendId([9; 16])),
        ],
    ];
    // All are asked for before one is waited for; the order is that of the calls.
    let futures = saves.map(|changes| profile.save(changes));
    for future in futures.into_iter().rev() {
        block_on(future).unwrap();
    }
}

fn check(state: &ProfileState) {
    let refusal = Refusal::because(Code::Rejected, "no").retry_in(5);
    assert_eq!(state.key, Some([9; 32]));
    assert!(state.enrolled);
    let want = [
        item(1, ItemState::Pending),
        item(2, ItemState::Failed(refusal)),
        item(3, ItemState::Pending),
    ];
    assert_eq!(state.outbox, want);
    assert_eq!(state.positions, [position(1, 2)]);
    assert_eq!(state.servers, [server(2)]);
    assert_eq!(state.transfers, [begun_download(), upload()]);
}

#[test]
fn a_memory_profile_keeps_the_last_state() {
    let profile = MemoryProfile::new();
    assert_eq!(block_on(profile.load()).unwrap().key, None);
    fill(&profile);
    check(&block_on(profile.load()).unwrap());
    assert!(!profile.is_durable());
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use super::*;
    use crate::adapter::SqliteProfile;
    use crate::error::Error;

    #[test]
    fn a_profile_comes_back_from_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("profile");
        let profile = SqliteProfile::open(&place).unwrap();
        assert_eq!(block_on(profile.load()).unwrap().outbox, []);
        fill(&profile);
        check(&block_on(profile.load()).unwrap());
        assert!(profile.is_durable());
        let Err(Error::InUse { pid, .. }) = SqliteProfile::open(&place) else {
            panic!("two hold it");
        };
        assert_eq!(pid, Some(std::process::id()));
        let unknown = download(SinkPlace::Folder("/d".into()), None);
        let put = vec![ProfileChange::PutTransfer(unknown.clone())];
        block_on(profile.save(put)).unwrap();
        let state = block_on(profile.load()).unwrap();
        assert_eq!(state.transfers, [unknown, upload()]);
        // Not waited for, and written all the same.
        drop(profile.save(vec![ProfileChange::Key([8; 32])]));
        drop(profile);
        let profile = SqliteProfile::open(&place).unwrap();
        assert_eq!(block_on(profile.load()).unwrap().key, Some([8; 32]));
    }

    #[test]
    #[cfg(unix)]
    fn nobody_else_may_read_the_key() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("profile");
        let profile = SqliteProfile::open(&place).unwrap();
        fill(&profile);
        let files: Vec<_> = std::fs::read_dir(&place)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(files.len() >= 3, "{files:?}");
        for file in files {
            let mode = file.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{file:?}");
        }
    }
}
