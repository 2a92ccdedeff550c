//! Blobs live as long as entries name them.

use pollster::block_on;

use super::super::town::*;
use super::Given;
use crate::id::{AccountId, BlobId, SendId, Seq};
use crate::model::{Body, FileOffer, PendingUpload, UnixTime};
use crate::port::{Committed, DirectoryChange, Fault, Write};

contract! {
    a_blob_is_named_as_long_as_its_entry_is_there
    the_same_content_is_named_once_and_a_damaged_one_replaced
    uploads_are_remembered_until_they_are_entries
}

/// An offer of a file of ten bytes with this content.
fn offer(blob: u8, content: u8) -> Body {
    let offer = FileOffer {
        name: "a".to_owned(),
        size: 10,
        media_type: String::new(),
        hash: [content; 32],
    };
    Body::file(BlobId([blob; 16]), &offer)
}

/// What the next outcome says was freed.
fn freed(told: &Committed) -> (Vec<(AccountId, u64)>, Vec<BlobId>) {
    match told {
        Committed::Freed { bytes, contents } => (bytes.clone(), contents.clone()),
        other => panic!("{other:?}"),
    }
}

fn freed_by_deleting(
    town: &mut Town,
    from: AccountId,
    file: Seq,
) -> (Vec<(AccountId, u64)>, Vec<BlobId>) {
    let redaction = town.append(from, Body::redaction(file));
    let told = town.write_and(vec![Write::Append(redaction)], 1);
    freed(&told[1])
}

fn content_of(town: &Town, blob: u8) -> Option<(Seq, BlobId)> {
    let place = block_on(town.store.blob(BlobId([blob; 16]))).unwrap()?;
    assert_eq!(place.entry.conversation, ROOM);
    assert_eq!(place.entry.body.blob, Some(BlobId([blob; 16])));
    Some((place.entry.seq, place.content))
}

fn a_blob_is_named_as_long_as_its_entry_is_there(store: Given) {
    let mut town = Town::new(store);
    let [one, two, three] = [1, 2, 3].map(|blob| town.say(ANN, offer(blob, blob)));
    assert_eq!(content_of(&town, 1), Some((one, BlobId([1; 16]))));
    assert_eq!(content_of(&town, 9), None);
    let stored = town.load().stored;
    assert_eq!(stored, [(ANN, 30)]);

    assert_eq!(
        freed_by_deleting(&mut town, ANN, two),
        (vec![(ANN, 10)], vec![BlobId([2; 16])])
    );
    assert_eq!(content_of(&town, 2), None);
    // Twice is once.
    let again = town.append(ANN, Body::redaction(two));
    assert_eq!(fault(&town.put(again)), &Fault::NoTarget);

    town.trim(2);
    let told = town.outcomes(2);
    assert!(matches!(told[0], Committed::Trimmed { first, .. } if first == three));
    assert_eq!(freed(&told[1]), (vec![(ANN, 10)], vec![BlobId([1; 16])]));
    let contents = block_on(town.store.contents()).unwrap();
    assert_eq!(contents, [BlobId([3; 16])]);
    let stored = town.load().stored;
    assert_eq!(stored, [(ANN, 10)]);
}

fn the_same_content_is_named_once_and_a_damaged_one_replaced(store: Given) {
    let mut town = Town::new(store);
    let one = town.say(ANN, offer(1, 7));
    let second = town.append(BOB, offer(2, 7));
    let told = town.write_and(vec![Write::Append(second)], 1);
    let two = placed(&told[0]).0;
    // The bytes that came twice are not needed; nobody's files got fewer.
    assert_eq!(freed(&told[1]), (vec![], vec![BlobId([2; 16])]));
    for blob in [1, 2] {
        assert_eq!(content_of(&town, blob).unwrap().1, BlobId([1; 16]));
    }
    let mut stored = town.load().stored;
    stored.sort_unstable();
    assert_eq!(stored, [(BOB, 10), (ANN, 10)]);

    // What is damaged is not built on, and healed by the next one.
    town.change(vec![DirectoryChange::Distrust(BlobId([1; 16]))])
        .unwrap();
    let third = town.append(BOB, offer(3, 7));
    let told = town.write_and(vec![Write::Append(third)], 1);
    assert_eq!(freed(&told[1]), (vec![], vec![BlobId([1; 16])]));
    for blob in [1, 2, 3] {
        assert_eq!(content_of(&town, blob).unwrap().1, BlobId([3; 16]));
    }
    // It goes with the last entry that names it.
    for (target, from) in [(one, ANN), (two, BOB)] {
        assert_eq!(
            freed_by_deleting(&mut town, from, target),
            (vec![(from, 10)], vec![])
        );
    }
    let last = content_of(&town, 3).unwrap().0;
    assert_eq!(
        freed_by_deleting(&mut town, BOB, last),
        (vec![(BOB, 10)], vec![BlobId([3; 16])])
    );
    assert_eq!(block_on(town.store.contents()), Ok(vec![]));
}

fn uploads_are_remembered_until_they_are_entries(store: Given) {
    let mut town = Town::new(store);
    let upload = |blob: u8, account| PendingUpload {
        blob: BlobId([blob; 16]),
        account,
        id: SendId([blob; 16]),
        conversation: ROOM,
        other: (blob == 2).then_some(BOB),
        name: "\u{e9}.txt".to_owned(),
        size: (1 << 53) - 1,
        media_type: "text/plain".to_owned(),
        touched: UnixTime(5),
    };
    let remembered = |town: &Town| town.load().uploads;
    for blob in [1, 2, 3] {
        town.change(vec![DirectoryChange::SetUpload(upload(blob, ANN))])
            .unwrap();
    }
    let mut again = upload(1, ANN);
    again.touched = UnixTime(6);
    town.change(vec![DirectoryChange::SetUpload(again.clone())])
        .unwrap();
    assert_eq!(remembered(&town), [again, upload(2, ANN), upload(3, ANN)]);
    // With its entry, or not at all.
    let mut refused = town.append(ANN, offer(1, 1));
    refused.changes = vec![DirectoryChange::RemoveUpload(BlobId([1; 16]))];
    refused.expect = Some(Seq(99));
    assert!(matches!(
        fault(&town.put(refused.clone())),
        Fault::Conflict { .. }
    ));
    assert_eq!(remembered(&town).len(), 3);
    refused.expect = None;
    placed(&town.put(refused));
    assert_eq!(remembered(&town), [upload(2, ANN), upload(3, ANN)]);
    town.change(vec![DirectoryChange::RemoveUpload(BlobId([2; 16]))])
        .unwrap();
    town.change(vec![DirectoryChange::SetUpload(upload(4, BOB))])
        .unwrap();
    town.change(vec![DirectoryChange::RemoveAccount(ANN)])
        .unwrap();
    assert_eq!(remembered(&town), [upload(4, BOB)]);
}
