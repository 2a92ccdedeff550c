//! The contract of a profile.

use pollster::block_on;

use crate::adapter::MemoryProfile;
use crate::id::{BlobId, ConversationId, Epoch, SendId, Seq};
use crate::model::{AccountName, Body, Code, FileOffer, Position, Refusal, RoomName, Target};
use crate::port::{ItemState, KnownServer, OutboxItem, Profile, ProfileChange, ProfileState};

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
        ],
        vec![
            ProfileChange::PutItem(item(2, ItemState::Failed(refusal))),
            ProfileChange::DropItem(SendId([4; 16])),
            ProfileChange::SetPosition(position(1, 2)),
            ProfileChange::DropPosition(ConversationId([2; 16])),
            ProfileChange::PutServer(server(2)),
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
