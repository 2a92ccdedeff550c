//! Files between a server and clients that are made of nothing but the pure layers.

mod raw_client;

use std::fs;
use std::path::Path;

use chat_engine::tree::{Verifier, groups};
use chat_engine::*;
use raw_client::{Raw, dial, lobby, send_id, serve_in};

/// Uploads from wherever the server wants it to go on.
fn upload(raw: &mut Raw, id: SendId, content: &[u8]) -> Result<Seq, Refusal> {
    let (transfer, begun) = begin(raw, id, content.len());
    let uploading = match begun? {
        Answer::Uploading(uploading) => uploading,
        Answer::Entered { seq, .. } => return Ok(seq),
        other => panic!("{other:?}"),
    };
    push(raw, transfer, &uploading, content, content.len());
    finish(raw, transfer, *blake3::hash(content).as_bytes())
}

fn begin(raw: &mut Raw, id: SendId, size: usize) -> (RequestId, Result<Answer, Refusal>) {
    let upload = Upload {
        target: lobby(),
        id,
        name: "a.bin".into(),
        size: size as u64,
        media_type: String::new(),
    };
    raw.ask(Request::Upload(upload))
}

/// Sends chunks up to a place, as the window allows.
fn push(raw: &mut Raw, transfer: RequestId, from: &Uploading, content: &[u8], to: usize) {
    let mut next = from.offset as usize;
    let mut confirmed = next;
    while next < to {
        while next < to && next - confirmed + limits::CHUNK_BYTES <= from.window as usize {
            let end = (next + limits::CHUNK_BYTES).min(to);
            raw.say(&ToServer::Chunk(Chunk {
                transfer,
                offset: next as u64,
                bytes: content[next..end].to_vec(),
            }));
            next = end;
        }
        if next < to {
            confirmed = raw.hear_until(|message| match message {
                ToClient::Received { upto, .. } => Some(upto as usize),
                ToClient::Stopped(stopped) => panic!("{stopped:?}"),
                _ => None,
            });
        }
    }
}

fn finish(raw: &mut Raw, transfer: RequestId, hash: [u8; 32]) -> Result<Seq, Refusal> {
    match raw.ask(Request::Finish { transfer, hash }).1? {
        Answer::Entered { seq, .. } => Ok(seq),
        other => panic!("{other:?}"),
    }
}

fn entry_with_file(raw: &mut Raw) -> (BlobId, FileOffer) {
    raw.hear_until(|message| match message {
        ToClient::Entry(entry) => match entry.body.content() {
            Content::File(offer) => Some((entry.body.blob.unwrap(), offer)),
            _ => None,
        },
        _ => None,
    })
}

/// Downloads a part, and proves each piece of it where it can be proven.
fn fetch(
    raw: &mut Raw,
    blob: BlobId,
    offset: u64,
    length: Option<u64>,
) -> Result<Vec<u8>, Refusal> {
    let (transfer, answer) = raw.ask(Request::Fetch {
        blob,
        offset,
        length,
        window: 65_536,
    });
    let fetching = match answer? {
        Answer::Fetching(fetching) => fetching,
        other => panic!("{other:?}"),
    };
    let first = fetching.offset / limits::GROUP_BYTES as u64;
    let mut verifier = fetching
        .hash
        .map(|hash| Verifier::new(hash, fetching.size, first));
    let mut bytes = Vec::new();
    loop {
        match raw.hear() {
            ToClient::Piece(piece) if piece.transfer == transfer => {
                assert_eq!(piece.offset, fetching.offset + bytes.len() as u64);
                if let Some(verifier) = &mut verifier {
                    verifier.prove(&piece.parents, &piece.bytes).unwrap();
                }
                bytes.extend(piece.bytes);
                let upto = fetching.offset + bytes.len() as u64;
                raw.say(&ToServer::Taken { transfer, upto });
            }
            ToClient::Fetched(fetched) if fetched.transfer == transfer => {
                assert_eq!(bytes.len() as u64, fetching.end - fetching.offset);
                if bytes.len() as u64 == fetching.size {
                    assert_eq!(blake3::hash(&bytes), fetched.hash);
                }
                return Ok(bytes);
            }
            ToClient::Stopped(stopped) if stopped.transfer == transfer => {
                return Err(stopped.refusal);
            }
            _ => {}
        }
    }
}

fn file(size: usize) -> Vec<u8> {
    (0..size).map(|place| ((place / 3) ^ place) as u8).collect()
}

fn blobs(folder: &Path) -> Vec<String> {
    let items = fs::read_dir(folder.join("blobs")).unwrap();
    let names = items.map(|item| item.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// What happens on the disk after the answer is waited for, but not for ever.
fn eventually(mut holds: impl FnMut() -> bool) {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !holds() {
        assert!(std::time::Instant::now() < until, "it never came to hold");
        std::thread::yield_now();
    }
}

#[test]
fn files_of_all_sizes_arrive_whole_in_memory_and_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let places = [StorePlace::Memory, StorePlace::Folder(folder.path().into())];
    for place in places {
        let server = serve_in(place, |_| {});
        let mut ann = Raw::enter(dial(&server), "ann", 1);
        let mut bob = Raw::enter(dial(&server), "bob", 2);
        let sizes = [0, 1, 16_384, 65_535, 65_536, 65_537, 3_000_000];
        for (number, size) in sizes.into_iter().enumerate() {
            let content = file(size);
            let seq = upload(&mut ann, send_id(number as u8), &content).unwrap();
            assert!(seq > Seq::ZERO);
            let (blob, offer) = entry_with_file(&mut bob);
            assert_eq!((offer.size, offer.name.as_str()), (size as u64, "a.bin"));
            assert_eq!(blake3::hash(&content), offer.hash);
            assert!(fetch(&mut bob, blob, 0, None).unwrap() == content, "{size}");
            if size > 40_000 {
                let part = fetch(&mut bob, blob, 40_000, Some(10)).unwrap();
                assert!(part == content[32_768..49_152]);
            }
        }
        server.stop();
    }
}

#[test]
fn an_upload_goes_on_after_the_link_and_the_server_broke_and_is_one_entry() {
    let folder = tempfile::tempdir().unwrap();
    let place = || StorePlace::Folder(folder.path().into());
    let content = file(2_000_000);
    let id = send_id(1);
    let mut sent = 0;
    let server = serve_in(place(), |_| {});
    let mut server = Some(server);
    for stop in [500_000, 1_000_000, 1_500_000] {
        let running = server.take().unwrap();
        let mut ann = Raw::enter(dial(&running), "ann", 1);
        let (transfer, begun) = begin(&mut ann, id, content.len());
        let Ok(Answer::Uploading(uploading)) = begun else {
            panic!("{begun:?}");
        };
        assert!(uploading.offset as usize <= sent);
        assert!(sent - uploading.offset as usize <= limits::TRANSFER_WINDOW as usize + 32_768);
        push(&mut ann, transfer, &uploading, &content, stop);
        sent = stop;
        drop(ann);
        running.stop();
        server = Some(serve_in(place(), |_| {}));
    }
    let running = server.take().unwrap();
    let mut ann = Raw::enter(dial(&running), "ann", 1);
    let seq = upload(&mut ann, id, &content).unwrap();
    let (blob, _) = entry_with_file(&mut ann);
    assert_eq!(upload(&mut ann, id, &content), Ok(seq));
    assert!(fetch(&mut ann, blob, 0, None).unwrap() == content);
    running.stop();
}

#[test]
fn a_file_can_be_read_while_it_comes_in() {
    let server = serve_in(StorePlace::Memory, |_| {});
    let mut ann = Raw::enter(dial(&server), "ann", 1);
    let mut bob = Raw::enter(dial(&server), "bob", 2);
    let content = file(1_000_000);
    let (transfer, begun) = begin(&mut ann, send_id(1), content.len());
    let Ok(Answer::Uploading(uploading)) = begun else {
        panic!("{begun:?}");
    };
    let incoming = bob.hear_until(|message| match message {
        ToClient::Incoming(incoming) => Some(incoming),
        _ => None,
    });
    assert_eq!(incoming.blob, uploading.blob);
    let reading = std::thread::spawn(move || fetch(&mut bob, incoming.blob, 0, None));
    push(&mut ann, transfer, &uploading, &content, content.len());
    finish(&mut ann, transfer, *blake3::hash(&content).as_bytes()).unwrap();
    assert!(reading.join().unwrap().unwrap() == content);
    server.stop();
}

#[test]
fn the_same_content_is_stored_once_and_goes_with_its_last_entry() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve_in(StorePlace::Folder(folder.path().into()), |_| {});
    let mut ann = Raw::enter(dial(&server), "ann", 1);
    let content = file(50_000);
    let one = upload(&mut ann, send_id(1), &content).unwrap();
    let (first, _) = entry_with_file(&mut ann);
    let two = upload(&mut ann, send_id(2), &content).unwrap();
    let (second, _) = entry_with_file(&mut ann);
    assert_ne!(first, second);
    eventually(|| blobs(folder.path()).len() == 2);
    for blob in [first, second] {
        assert!(fetch(&mut ann, blob, 0, None).unwrap() == content);
    }
    ann.redact(one, send_id(3));
    let gone = fetch(&mut ann, first, 0, None).unwrap_err();
    assert_eq!(gone.code, Code::NoSuchBlob);
    assert!(fetch(&mut ann, second, 0, None).unwrap() == content);
    ann.redact(two, send_id(4));
    eventually(|| blobs(folder.path()).is_empty());
    server.stop();
}

#[test]
fn a_damaged_file_is_told_and_healed_by_sending_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve_in(StorePlace::Folder(folder.path().into()), |_| {});
    let mut ann = Raw::enter(dial(&server), "ann", 1);
    let content = file(200_000);
    upload(&mut ann, send_id(1), &content).unwrap();
    let (blob, _) = entry_with_file(&mut ann);
    let path = folder.path().join("blobs").join(blob.to_string());
    let mut damaged = fs::read(&path).unwrap();
    damaged[100_000] ^= 1;
    fs::write(&path, &damaged).unwrap();
    let refusal = fetch(&mut ann, blob, 0, None).unwrap_err();
    assert_eq!(refusal.code, Code::Damaged);
    // The part before is still good, and the server lives on.
    assert!(fetch(&mut ann, blob, 0, Some(65_536)).unwrap() == content[..65_536]);
    upload(&mut ann, send_id(2), &content).unwrap();
    let (second, _) = entry_with_file(&mut ann);
    assert!(fetch(&mut ann, second, 0, None).unwrap() == content);
    assert!(fetch(&mut ann, blob, 0, None).unwrap() == content);
    // A file that is gone altogether.
    let path = folder.path().join("blobs").join(second.to_string());
    fs::remove_file(path).unwrap();
    let refusal = fetch(&mut ann, blob, 0, None).unwrap_err();
    assert_eq!(refusal.code, Code::Damaged);
    server.stop();
}

#[test]
fn another_content_than_announced_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve_in(StorePlace::Folder(folder.path().into()), |_| {});
    let mut ann = Raw::enter(dial(&server), "ann", 1);
    let content = file(100_000);
    let (transfer, begun) = begin(&mut ann, send_id(1), content.len());
    let Ok(Answer::Uploading(uploading)) = begun else {
        panic!("{begun:?}");
    };
    push(&mut ann, transfer, &uploading, &content, content.len());
    let refusal = finish(&mut ann, transfer, [1; 32]).unwrap_err();
    assert_eq!(refusal.code, Code::BadHash);
    eventually(|| blobs(folder.path()).is_empty());
    upload(&mut ann, send_id(1), &content).unwrap();
    server.stop();
}

#[test]
fn what_nothing_names_is_swept_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let place = || StorePlace::Folder(folder.path().into());
    let server = serve_in(place(), |_| {});
    let mut ann = Raw::enter(dial(&server), "ann", 1);
    let content = file(40_000);
    upload(&mut ann, send_id(1), &content).unwrap();
    let (named, _) = entry_with_file(&mut ann);
    let (transfer, begun) = begin(&mut ann, send_id(2), 50_000);
    let Ok(Answer::Uploading(pending)) = begun else {
        panic!("{begun:?}");
    };
    push(&mut ann, transfer, &pending, &file(50_000), 20_000);
    drop(ann);
    server.stop();
    let orphan = BlobId([9; 16]).to_string();
    let place_of = |end: &str| folder.path().join("blobs").join(format!("{orphan}{end}"));
    for end in ["", ".part", ".tree"] {
        fs::write(place_of(end), "left by a crash").unwrap();
    }
    let server = serve_in(place(), |_| {});
    eventually(|| {
        !blobs(folder.path())
            .iter()
            .any(|name| name.starts_with(&orphan))
    });
    let left = blobs(folder.path());
    assert!(left.contains(&named.to_string()));
    assert!(left.contains(&format!("{}.part", pending.blob)));
    server.stop();
}

#[test]
fn a_backup_holds_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let server = serve_in(StorePlace::Folder(folder.path().into()), |_| {});
    let mut ann = Raw::enter(dial(&server), "ann", 1);
    let content = file(100_000);
    upload(&mut ann, send_id(1), &content).unwrap();
    let (blob, _) = entry_with_file(&mut ann);
    let to = copy.path().join("copy");
    pollster::block_on(server.backup(to.clone())).unwrap();
    server.stop();
    let server = serve_in(StorePlace::Folder(to), |_| {});
    let mut ann = Raw::enter(dial(&server), "ann", 1);
    assert!(fetch(&mut ann, blob, 0, None).unwrap() == content);
    server.stop();
}

/// Who breaks the rules of a transfer loses the link, and what came before stays as it was.
#[test]
fn chunks_that_break_the_rules_end_the_link() {
    let group = limits::CHUNK_BYTES as u64;
    let chunk = |transfer, offset, length: usize| {
        let bytes = vec![7; length];
        ToServer::Chunk(Chunk {
            transfer,
            offset,
            bytes,
        })
    };
    type Breach = Box<dyn Fn(RequestId) -> Vec<ToServer>>;
    let breaches: Vec<(&str, Breach)> = vec![
        ("a hole", Box::new(move |id| vec![chunk(id, 1, 10)])),
        (
            "twice",
            Box::new(move |id| vec![chunk(id, 0, 10), chunk(id, 0, 10)]),
        ),
        ("nothing", Box::new(move |id| vec![chunk(id, 0, 0)])),
        (
            "beyond the end",
            Box::new(move |id| {
                let whole = (0..6).map(|n| chunk(id, n * group, group as usize));
                whole.chain([chunk(id, 6 * group, 2000)]).collect()
            }),
        ),
        (
            "far beyond the end",
            Box::new(move |id| vec![chunk(id, u64::MAX - 5, 10)]),
        ),
        (
            "too large",
            Box::new(move |id| vec![chunk(id, 0, group as usize + 1)]),
        ),
    ];
    let server = serve_in(StorePlace::Memory, |_| {});
    for (number, (what, breach)) in breaches.iter().enumerate() {
        let mut eve = Raw::enter(dial(&server), "eve", 3);
        let (transfer, begun) = begin(&mut eve, send_id(number as u8), 100_000);
        begun.unwrap();
        for frame in breach(transfer) {
            eve.say(&frame);
        }
        assert!(eve.is_closed(), "{what}");
    }
    // More than the window at once.
    let mut eve = Raw::enter(dial(&server), "eve", 3);
    let (transfer, begun) = begin(&mut eve, send_id(77), 100_000_000);
    begun.unwrap();
    let (frames, _) = (0..limits::TRANSFER_WINDOW as u64 / group + 1).fold(
        (Vec::new(), ()),
        |(mut frames, ()), n| {
            frames.push(chunk(transfer, n * group, group as usize));
            (frames, ())
        },
    );
    eve.say_at_once(&frames);
    // (Unless the disk was so quick that the window moved in between, which is no breach.)
    let mut ann = Raw::enter(dial(&server), "ann", 1);
    // Pieces that were never sent are not taken; transfers that are not there are nobody's.
    ann.say(&ToServer::Taken {
        transfer: RequestId(4000),
        upto: 5,
    });
    ann.say(&chunk(RequestId(4000), 0, 10));
    ann.say(&ToServer::Stop(RequestId(4000)));
    let content = file(100_000);
    upload(&mut ann, send_id(99), &content).unwrap();
    let (blob, _) = entry_with_file(&mut ann);
    let (transfer, begun) = ann.ask(Request::Fetch {
        blob,
        offset: 0,
        length: None,
        window: 16_384,
    });
    begun.unwrap();
    ann.say(&ToServer::Taken {
        transfer,
        upto: 99_999,
    });
    assert!(ann.is_closed());
    server.stop();
}

#[test]
fn no_more_is_sent_than_the_window_allows() {
    let server = serve_in(StorePlace::Memory, |_| {});
    let mut ann = Raw::enter(dial(&server), "ann", 1);
    let content = file(500_000);
    upload(&mut ann, send_id(1), &content).unwrap();
    let (blob, _) = entry_with_file(&mut ann);
    let (transfer, begun) = ann.ask(Request::Fetch {
        blob,
        offset: 0,
        length: None,
        window: 40_000,
    });
    begun.unwrap();
    // Two whole groups fit the window. The answer to another question comes behind them.
    let mut came = 0;
    ann.say(&ToServer::Ping(1));
    let mut ponged = false;
    while came < 32_768 || !ponged {
        match ann.hear() {
            ToClient::Piece(piece) => came += piece.bytes.len(),
            ToClient::Pong(_) => ponged = true,
            _ => {}
        }
    }
    assert_eq!(came, 32_768);
    ann.say(&ToServer::Taken {
        transfer,
        upto: 16_384,
    });
    let next = ann.hear_until(|message| match message {
        ToClient::Piece(piece) => Some(piece.offset),
        _ => None,
    });
    assert_eq!(next, 32_768);
    ann.say(&ToServer::Stop(transfer));
    assert_eq!(groups(500_000), 31);
    server.stop();
}

#[test]
fn a_guessed_blob_is_nobodys() {
    let server = serve_in(StorePlace::Memory, |_| {});
    let mut ann = Raw::enter(dial(&server), "ann", 1);
    for guess in 0..20 {
        let refusal = fetch(&mut ann, BlobId([guess; 16]), 0, None).unwrap_err();
        assert_eq!(refusal.code, Code::NoSuchBlob);
    }
    server.stop();
}
