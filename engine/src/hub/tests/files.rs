//! Files, as far as the hub decides: who may, how much, and what becomes of it.

use std::collections::{BTreeMap, HashMap};

use super::*;
use crate::hub::{FileNews, FileWork};
use crate::id::BlobId;
use crate::model::{Code, FileRules, Upload};
use crate::port::Unfinished;

/// Says what the driver would say about bytes, and remembers what it was told to do.
#[derive(Default)]
pub(super) struct Disk {
    /// How far uploads came that are not running.
    pub(super) came: HashMap<BlobId, u64>,
    /// What was done, in words.
    pub(super) done: Vec<String>,
    /// The next answers are this fault.
    pub(super) fault: Option<Fault>,
    /// The next blob is not what was announced.
    pub(super) is_wrong: bool,
    /// Answers are kept until [`House::release_disk`].
    pub(super) hold: bool,
    held: Vec<FileNews>,
}

impl House {
    pub(super) fn do_files(&mut self, work: FileWork) {
        let fault = |disk: &mut Disk| disk.fault.take().map_or(Ok(()), Err);
        let news = match work {
            FileWork::Receive {
                ticket, blob, size, ..
            } => {
                self.disk.done.push(format!("receive {size}"));
                let offset = self.disk.came.get(&blob).copied().unwrap_or_default();
                Some(FileNews::Opened(
                    ticket,
                    fault(&mut self.disk).map(|()| offset),
                ))
            }
            FileWork::Finish { ticket, .. } => {
                self.disk.done.push("finish".into());
                let finished = fault(&mut self.disk).map_err(Unfinished::Fault);
                let wrong = std::mem::take(&mut self.disk.is_wrong);
                let finished = if wrong {
                    Err(Unfinished::NotIt)
                } else {
                    finished
                };
                Some(FileNews::Finished(ticket, finished))
            }
            FileWork::Open {
                ticket,
                offset,
                end,
                ..
            } => {
                self.disk.done.push(format!("open {offset}-{end}"));
                Some(FileNews::Located(ticket, fault(&mut self.disk)))
            }
            FileWork::Suspend(_) => self.did("suspend"),
            FileWork::Named { .. } => self.did("named"),
            FileWork::Remove(_) => self.did("remove"),
            FileWork::Start(..) => self.did("start"),
            FileWork::Stop(..) => self.did("stop"),
        };
        if self.disk.hold {
            self.disk.held.extend(news);
        } else {
            self.inbox.extend(news.map(Input::File));
        }
    }

    fn did(&mut self, what: &str) -> Option<FileNews> {
        self.disk.done.push(what.into());
        None
    }

    fn release_disk(&mut self) {
        self.disk.hold = false;
        for news in std::mem::take(&mut self.disk.held) {
            self.input(Input::File(news));
        }
    }

    pub(super) fn done(&mut self) -> Vec<String> {
        std::mem::take(&mut self.disk.done)
    }

    pub(super) fn upload(&mut self, link: LinkId, to: &str, id: SendId, size: u64) {
        let upload = Upload {
            target: target(to),
            id,
            name: "a.txt".into(),
            size,
            media_type: "text/plain".into(),
        };
        self.ask(link, Request::Upload(upload));
    }

    /// Begins an upload that succeeds: its blob and its number.
    pub(super) fn begin(
        &mut self,
        link: LinkId,
        to: &str,
        id: SendId,
        size: u64,
    ) -> (BlobId, RequestId) {
        self.upload(link, to, id, size);
        match self.reply(link) {
            Answer::Uploading(uploading) => (uploading.blob, RequestId(self.requests)),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn finish(&mut self, link: LinkId, transfer: RequestId) {
        let hash = [5; 32];
        self.ask(link, Request::Finish { transfer, hash });
    }

    /// A file that is in the log.
    fn send_file(&mut self, link: LinkId, to: &str, size: u64) -> BlobId {
        let id = self.new_id();
        let (blob, transfer) = self.begin(link, to, id, size);
        self.finish(link, transfer);
        assert!(matches!(self.reply(link), Answer::Entered { .. }));
        self.done();
        blob
    }

    fn fetch(&mut self, link: LinkId, blob: BlobId) {
        let request = Request::Fetch {
            blob,
            offset: 0,
            length: None,
            window: 65_536,
        };
        self.ask(link, request);
    }

    fn stopped(&mut self, link: LinkId) -> Vec<Code> {
        let mail = self.mail(link);
        let stopped = mail.iter().filter_map(|told| match told {
            ToClient::Stopped(stopped) => Some(stopped.refusal.code),
            _ => None,
        });
        stopped.collect()
    }

    fn incoming(&mut self, link: LinkId) -> Vec<String> {
        let mail = self.mail(link);
        let incoming = mail.iter().filter_map(|told| match told {
            ToClient::Incoming(incoming) => {
                let over = if incoming.is_over { " over" } else { "" };
                Some(format!("{} {}{over}", incoming.from, incoming.name))
            }
            _ => None,
        });
        incoming.collect()
    }

    fn rules(rules: FileRules) -> Self {
        let mut house = Self::new();
        house.policy.files = rules;
        house.restart();
        house
    }
}

fn answered(house: &mut House, link: LinkId) -> String {
    house.answered(link).concat()
}

#[test]
fn a_file_becomes_an_entry_that_members_fetch_and_nobody_else() {
    let mut house = House::new();
    let (ann, bob, eve) = (
        house.register("ann"),
        house.register("bob"),
        house.register("eve"),
    );
    house.room("tea", &[ann, bob]);
    let id = house.new_id();
    let (blob, transfer) = house.begin(ann, "#tea", id, 100);
    assert_eq!(house.incoming(bob), ["ann a.txt"]);
    assert!(house.incoming(eve).is_empty());
    house.finish(ann, transfer);
    assert_eq!(house.answered(ann), ["entered 3"]);
    assert!(house.heard(bob)[0].contains("a.txt"));
    assert_eq!(house.done(), ["receive 100", "finish", "named"]);
    assert!(house.store.uploads.is_empty());

    house.fetch(bob, blob);
    assert!(matches!(house.reply(bob), Answer::Fetching(fetching)
        if fetching.size == 100 && fetching.hash == Some([5; 32])));
    assert_eq!(house.done(), ["open 0-100", "start"]);
    house.fetch(eve, blob);
    assert_eq!(house.answered(eve), ["no_such_blob"]);
    house.fetch(bob, BlobId([1; 16]));
    assert_eq!(house.answered(bob), ["no_such_blob"]);

    // Asked again, however late, the same upload is the same entry.
    house.upload(ann, "#tea", id, 100);
    assert_eq!(house.answered(ann), ["entered 3"]);
}

#[test]
fn a_part_is_rounded_to_whole_groups_and_stays_in_the_file() {
    let mut house = House::new();
    let ann = house.register("ann");
    house.room("tea", &[ann]);
    let blob = house.send_file(ann, "#tea", 100_000);
    for (offset, length, told) in [
        (0, Some(1), "open 0-16384"),
        (16_384, Some(16_384), "open 16384-32768"),
        (20_000, Some(20_000), "open 16384-49152"),
        (99_999, None, "open 98304-100000"),
        (90_000, Some(u64::MAX), "open 81920-100000"),
        (100_000, None, "open 98304-100000"),
        (0, Some(0), "open 0-0"),
    ] {
        let window = 0;
        let request = Request::Fetch {
            blob,
            offset,
            length,
            window,
        };
        house.ask(ann, request);
        assert_eq!(house.done()[0], told);
        house.frame(ann, ToServer::Stop(RequestId(house.requests)));
        house.done();
    }
    let request = Request::Fetch {
        blob,
        offset: 100_001,
        length: None,
        window: 0,
    };
    house.forget_mail();
    house.ask(ann, request);
    assert_eq!(house.answered(ann), ["bad_request"]);
}

#[test]
fn an_upload_goes_on_after_the_link_broke_and_after_the_server_did() {
    let mut house = House::new();
    let ann = house.register("ann");
    house.room("tea", &[ann]);
    let id = house.new_id();
    let (blob, _) = house.begin(ann, "#tea", id, 1000);
    house.cut(ann);
    assert_eq!(house.done(), ["receive 1000", "suspend"]);
    house.disk.came.insert(blob, 500);
    let ann = house.log_in("ann");
    house.upload(ann, "#tea", id, 1000);
    assert!(matches!(house.reply(ann), Answer::Uploading(again)
        if again.blob == blob && again.offset == 500));

    house.restart();
    house.done();
    let ann = house.log_in("ann");
    let (again, transfer) = house.begin(ann, "#tea", id, 1000);
    assert_eq!(again, blob);
    house.finish(ann, transfer);
    assert_eq!(house.answered(ann), ["entered 2"]);
}

#[test]
fn another_link_takes_an_upload_over() {
    let mut house = House::new();
    let old = house.register("ann");
    house.room("tea", &[old]);
    let new = house.log_in_from("ann", "phone");
    let id = house.new_id();
    let (blob, transfer) = house.begin(old, "#tea", id, 1000);
    let (again, _) = house.begin(new, "#tea", id, 1000);
    assert_eq!(blob, again);
    assert_eq!(house.stopped(old), [Code::Conflict]);
    house.finish(old, transfer);
    assert_eq!(house.answered(old), ["no_such_blob"]);
}

#[test]
fn uploads_belong_to_their_accounts() {
    let mut house = House::new();
    let (ann, bob) = (house.register("ann"), house.register("bob"));
    house.room("tea", &[ann, bob]);
    let id = house.new_id();
    let (blob, transfer) = house.begin(ann, "#tea", id, 1000);
    house.mail.clear();
    // The number of a transfer means something on its own link only.
    house.finish(bob, transfer);
    assert_eq!(house.answered(bob), ["no_such_blob"]);
    house.frame(bob, ToServer::Stop(transfer));
    house.ask(bob, Request::Abandon { id });
    assert_eq!(house.answered(bob), ["done"]);
    // The same id of somebody else is another upload.
    let (other, _) = house.begin(bob, "#tea", id, 1000);
    assert_ne!(blob, other);
    house.finish(ann, transfer);
    assert_eq!(house.answered(ann), ["entered 3"]);
}

#[test]
fn what_is_not_taken_is_refused_before_the_first_byte() {
    let mut house = House::rules(FileRules {
        largest: 1000,
        per_account: Some(2500),
        total: Some(4000),
        refused_types: vec!["video/*".into(), "application/x-sh".into()],
    });
    let (ann, bob) = (house.register("ann"), house.register("bob"));
    house.room("tea", &[ann, bob]);
    let wish = |house: &mut House, link, name: &str, size, media_type: &str| {
        let upload = Upload {
            target: target("#tea"),
            id: house.new_id(),
            name: name.into(),
            size,
            media_type: media_type.into(),
        };
        house.ask(link, Request::Upload(upload));
        answered(house, link)
    };
    for (name, size, media_type, told) in [
        ("a", 1001, "", "too_big"),
        ("a", u64::MAX, "", "too_big"),
        ("a", 1, "Video/MP4; codecs=x", "bad_type"),
        ("a", 1, "application/x-sh", "bad_type"),
        ("a", 1, "x/\u{7}", "bad_type"),
        ("", 1, "", "bad_name"),
        ("..", 1, "", "bad_name"),
        ("../etc/passwd", 1, "", "bad_name"),
        ("a\0b", 1, "", "bad_name"),
        ("a\nb", 1, "", "bad_name"),
    ] {
        assert_eq!(
            wish(&mut house, ann, name, size, media_type),
            told,
            "{name}"
        );
    }
    let long = "x".repeat(limits::FILE_NAME_BYTES + 1);
    assert_eq!(wish(&mut house, ann, &long, 1, ""), "too_long");
    assert!(house.done().is_empty());
    assert!(house.store.uploads.is_empty());

    // The quota counts what is announced, what is in the log, and both again after a restart.
    house.send_file(ann, "#tea", 1000);
    let id = house.new_id();
    house.begin(ann, "#tea", id, 1000);
    assert_eq!(wish(&mut house, ann, "a", 501, ""), "quota");
    house.restart();
    let (ann, bob) = (house.log_in("ann"), house.log_in("bob"));
    assert_eq!(wish(&mut house, ann, "a", 501, ""), "quota");
    // The server as a whole.
    house.send_file(bob, "#tea", 1000);
    house.send_file(bob, "#tea", 1000);
    assert_eq!(wish(&mut house, bob, "a", 1, ""), "quota");
    // What is given up does not count.
    house.ask(ann, Request::Abandon { id });
    assert_eq!(house.answered(ann), ["done"]);
    assert!(wish(&mut house, bob, "a", 500, "").contains("Uploading"));
}

#[test]
fn only_who_may_write_may_send_files() {
    let mut house = House::new();
    let (ann, bob, eve) = (
        house.register("ann"),
        house.register("bob"),
        house.register("eve"),
    );
    house.room("tea", &[ann, bob]);
    let id = house.new_id();
    house.upload(eve, "#tea", id, 10);
    assert_eq!(house.answered(eve), ["not_a_member"]);
    house.upload(eve, "#nowhere", id, 10);
    assert_eq!(house.answered(eve), ["no_such_room"]);
    house.change(ann, "tea", Some("bob"), Change::Muted);
    house.upload(bob, "#tea", id, 10);
    assert_eq!(house.answered(bob), ["muted"]);
    // A file may be the first thing that two say to each other.
    let blob = house.send_file(eve, "@ann", 10);
    house.fetch(ann, blob);
    assert!(matches!(house.reply(ann), Answer::Fetching(_)));
    house.fetch(bob, blob);
    assert_eq!(house.answered(bob), ["no_such_blob"]);
}

#[test]
fn who_is_kicked_gets_and_sends_nothing_more() {
    let mut house = House::new();
    let (ann, bob) = (house.register("ann"), house.register("bob"));
    house.room("tea", &[ann, bob]);
    let old = house.send_file(ann, "#tea", 100);
    house.fetch(bob, old);
    assert!(matches!(house.reply(bob), Answer::Fetching(_)));
    let id = house.new_id();
    let (_, transfer) = house.begin(bob, "#tea", id, 100);
    house.change(ann, "tea", Some("bob"), Change::Kicked);
    assert_eq!(house.stopped(bob), [Code::NoSuchBlob, Code::NotAMember]);
    house.finish(bob, transfer);
    assert_eq!(house.answered(bob), ["no_such_blob"]);
    house.upload(bob, "#tea", id, 100);
    assert_eq!(house.answered(bob), ["not_a_member"]);
    house.fetch(bob, old);
    assert_eq!(house.answered(bob), ["no_such_blob"]);
    let new = house.send_file(ann, "#tea", 100);
    house.fetch(bob, new);
    assert_eq!(house.answered(bob), ["no_such_blob"]);
}

#[test]
fn a_kick_ends_a_download_of_what_comes_in() {
    let mut house = House::new();
    let (ann, bob) = (house.register("ann"), house.register("bob"));
    house.room("tea", &[ann, bob]);
    let id = house.new_id();
    let (blob, _) = house.begin(ann, "#tea", id, 100);
    house.fetch(bob, blob);
    assert!(matches!(house.reply(bob), Answer::Fetching(fetching) if fetching.hash.is_none()));
    house.change(ann, "tea", Some("bob"), Change::Kicked);
    assert_eq!(house.stopped(bob), [Code::NoSuchBlob]);
}

/// The membership may change while the last bytes are proven.
#[test]
fn a_file_that_is_finished_while_its_sender_is_kicked_is_no_entry() {
    let mut house = House::new();
    let (ann, bob) = (house.register("ann"), house.register("bob"));
    house.room("tea", &[ann, bob]);
    let id = house.new_id();
    let (_, transfer) = house.begin(bob, "#tea", id, 100);
    house.mail.clear();
    house.disk.hold = true;
    house.finish(bob, transfer);
    house.hold_writes = true;
    house.change(ann, "tea", Some("bob"), Change::Kicked);
    house.release_disk();
    assert!(house.answered(bob).is_empty(), "it waits for the kick");
    house.commit();
    assert_eq!(house.answered(bob), ["not_a_member"]);
    assert!(house.store.uploads.is_empty());
}

#[test]
fn a_deleted_or_trimmed_file_is_gone_for_everybody() {
    let mut house = House::new();
    let (ann, bob) = (house.register("ann"), house.register("bob"));
    let tea = house.room("tea", &[ann, bob]);
    let one = house.send_file(ann, "#tea", 100);
    let two = house.send_file(ann, "#tea", 100);
    house.fetch(bob, one);
    house.fetch(bob, two);
    house.mail.clear();
    house.post(ann, "#tea", Body::redaction(Seq(3)));
    assert_eq!(house.stopped(bob), [Code::NoSuchBlob]);
    house.fetch(bob, one);
    assert_eq!(house.answered(bob), ["no_such_blob"]);
    house.trim(tea, 5);
    assert_eq!(house.stopped(bob), [Code::NoSuchBlob]);
    house.fetch(bob, two);
    assert_eq!(house.answered(bob), ["no_such_blob"]);
}

#[test]
fn another_content_is_no_entry_and_a_sick_disk_can_be_tried_again() {
    let mut house = House::new();
    let ann = house.register("ann");
    house.room("tea", &[ann]);
    let id = house.new_id();
    house.disk.fault = Some(Fault::Full("test".into()));
    house.upload(ann, "#tea", id, 100);
    assert_eq!(house.answered(ann), ["storage again"]);
    let (blob, transfer) = house.begin(ann, "#tea", id, 100);
    house.disk.fault = Some(Fault::Io("test".into()));
    house.finish(ann, transfer);
    assert_eq!(house.answered(ann), ["storage again"]);
    let (again, transfer) = house.begin(ann, "#tea", id, 100);
    assert_eq!(blob, again);
    // The disk fails while chunks come.
    let fault = Fault::Full("test".into());
    house.input(Input::File(FileNews::Failed(blob, fault)));
    assert_eq!(house.stopped(ann), [Code::Storage]);
    house.finish(ann, transfer);
    assert_eq!(house.answered(ann), ["no_such_blob"]);
    // The log fails after the blob is whole.
    let (_, transfer) = house.begin(ann, "#tea", id, 100);
    house.store.faults.push_back(Fault::Io("test".into()));
    house.finish(ann, transfer);
    assert_eq!(house.answered(ann), ["storage again"]);
    let (_, transfer) = house.begin(ann, "#tea", id, 100);
    house.disk.is_wrong = true;
    house.done();
    house.finish(ann, transfer);
    assert_eq!(house.answered(ann), ["bad_hash"]);
    assert_eq!(house.done(), ["finish", "remove"]);
    assert!(house.store.uploads.is_empty());
    let (other, _) = house.begin(ann, "#tea", id, 100);
    assert_ne!(blob, other);
}

#[test]
fn who_reads_what_comes_in_learns_that_it_was_given_up() {
    let mut house = House::new();
    let (ann, bob) = (house.register("ann"), house.register("bob"));
    house.room("tea", &[ann, bob]);
    let id = house.new_id();
    let (blob, _) = house.begin(ann, "#tea", id, 100);
    house.fetch(bob, blob);
    // Who comes later hears of it, too.
    let phone = house.log_in_from("bob", "phone");
    assert_eq!(house.incoming(phone), ["ann a.txt"]);
    house.mail.clear();
    house.ask(ann, Request::Abandon { id });
    assert_eq!(house.stopped(ann), [Code::Abandoned]);
    assert_eq!(house.incoming(phone), ["ann a.txt over"]);
    assert_eq!(house.stopped(bob), [Code::Abandoned]);
    house.fetch(bob, blob);
    assert_eq!(house.answered(bob), ["no_such_blob"]);
}

#[test]
fn the_first_file_of_a_direct_conversation_is_told_and_read_while_it_comes() {
    let mut house = House::new();
    let (ann, bob, eve) = (
        house.register("ann"),
        house.register("bob"),
        house.register("eve"),
    );
    let id = house.new_id();
    let (blob, transfer) = house.begin(ann, "@bob", id, 100);
    assert_eq!(house.incoming(bob), ["ann a.txt"]);
    assert!(house.incoming(eve).is_empty());
    let phone = house.log_in_from("bob", "phone");
    assert_eq!(house.incoming(phone), ["ann a.txt"]);
    house.done();
    house.fetch(eve, blob);
    assert_eq!(house.answered(eve), ["no_such_blob"]);
    house.fetch(bob, blob);
    assert!(matches!(house.reply(bob), Answer::Fetching(_)));
    assert_eq!(house.done(), ["open 0-100", "start"]);
    house.finish(ann, transfer);
    assert_eq!(house.answered(ann), ["entered 1"]);
    assert!(house.heard(bob)[0].contains("a.txt"));

    // One that is given up is told to be.
    let id = house.new_id();
    house.begin(ann, "@eve", id, 100);
    house.mail.clear();
    house.ask(ann, Request::Abandon { id });
    assert_eq!(house.incoming(eve), ["ann a.txt over"]);
    // Notes to oneself are nobody's business.
    house.upload(ann, "@ann", SendId([9; 16]), 100);
    assert!(house.incoming(bob).is_empty() && house.incoming(eve).is_empty());
}

#[test]
fn an_upload_that_nobody_goes_on_with_expires() {
    let mut house = House::new();
    let ann = house.register("ann");
    house.room("tea", &[ann]);
    let id = house.new_id();
    house.begin(ann, "#tea", id, 100);
    house.wait(limits::UPLOAD_EXPIRES + limits::UPLOAD_LOOK * 2);
    assert_eq!(house.store.uploads.len(), 1, "it is running");
    house.cut(ann);
    house.done();
    house.wait(limits::UPLOAD_LOOK * 2);
    assert_eq!(house.store.uploads.len(), 1, "it was until just now");
    house.wait(limits::UPLOAD_EXPIRES);
    assert!(house.store.uploads.is_empty());
    assert_eq!(house.done(), ["remove"]);
    // The same while the server was down.
    let ann = house.log_in("ann");
    house.begin(ann, "#tea", id, 100);
    house.now.date = house.now.date + limits::UPLOAD_EXPIRES + limits::UPLOAD_LOOK;
    house.restart();
    assert!(house.store.uploads.is_empty());
}

#[test]
fn transfers_at_once_are_bounded() {
    let mut house = House::new();
    let ann = house.register("ann");
    house.room("tea", &[ann]);
    let blob = house.send_file(ann, "#tea", 100);
    for _ in 0..limits::TRANSFERS_PER_LINK {
        house.fetch(ann, blob);
        assert!(matches!(house.reply(ann), Answer::Fetching(_)));
    }
    house.fetch(ann, blob);
    assert_eq!(house.answered(ann), ["busy again"]);
    let ended = FileNews::Ended(ann, RequestId(house.requests - 1));
    house.input(Input::File(ended));
    house.fetch(ann, blob);
    assert!(matches!(house.reply(ann), Answer::Fetching(_)));

    let id = house.new_id();
    house.upload(ann, "#tea", id, 1);
    assert_eq!(house.answered(ann), ["busy again"]);
}

#[test]
fn an_account_that_is_deleted_leaves_no_uploads() {
    let mut house = House::new();
    let ann = house.register("ann");
    house.room("tea", &[ann]);
    let id = house.new_id();
    house.begin(ann, "#tea", id, 100);
    house.done();
    let name = AccountName::new("ann").unwrap();
    house.admin(Admin::RemoveAccount { name }).unwrap();
    assert_eq!(house.done(), ["suspend", "remove"]);
}

#[test]
fn a_damaged_content_is_not_built_on() {
    let mut house = House::new();
    let ann = house.register("ann");
    house.room("tea", &[ann]);
    let blob = house.send_file(ann, "#tea", 100);
    house.input(Input::File(FileNews::Damaged(blob)));
    assert_eq!(house.store.distrusted, [blob]);
    house.disk.fault = Some(Fault::Damaged("test".into()));
    house.fetch(ann, blob);
    assert_eq!(house.answered(ann), ["damaged"]);
}

/// A crash at every write of an upload: what is asked again ends in exactly one entry.
#[test]
fn an_upload_survives_a_crash_at_every_step() {
    for crash_after in 0..6 {
        let mut house = House::new();
        let ann = house.register("ann");
        let tea = house.room("tea", &[ann]);
        let id = house.new_id();
        // Each step is one answer of the store or the disk that never comes.
        let mut ann = ann;
        for step in 0..=crash_after {
            let last = step == crash_after;
            house.hold_reads = last && crash_after == 0;
            house.hold_writes = last && crash_after == 1;
            house.disk.hold = last && crash_after == 2;
        }
        house.upload(ann, "#tea", id, 100);
        house.disk.hold = crash_after == 3;
        let transfer = RequestId(house.requests);
        if crash_after >= 3 {
            house.hold_writes = crash_after == 4;
            house.finish(ann, transfer);
        }
        if crash_after == 5 {
            // The entry was committed, and the answer lost.
            assert!(house.store.uploads.is_empty());
        }
        house.hold_reads = false;
        house.hold_writes = false;
        house.disk.hold = false;
        house.disk.held.clear();
        house.restart();
        ann = house.log_in("ann");
        house.mail.clear();
        house.upload(ann, "#tea", id, 100);
        let transfer = RequestId(house.requests);
        match house.reply(ann) {
            Answer::Uploading(_) => {
                assert!(crash_after < 5);
                house.finish(ann, transfer);
                assert_eq!(house.answered(ann), ["entered 2"]);
            }
            Answer::Entered { seq, .. } => assert_eq!((crash_after, seq), (5, Seq(2))),
            other => panic!("{other:?}"),
        }
        assert_eq!(house.store.room(tea).unwrap().head, Seq(2));
        assert!(house.store.uploads.is_empty());
        let held: BTreeMap<BlobId, u64> = house.disk.came.clone().into_iter().collect();
        assert!(held.is_empty());
    }
}
