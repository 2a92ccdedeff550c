//! Files that are sent and fetched.

use super::desk::*;
use crate::agent::{
    Beginning, Command, CommandId, Event, FileNews, FileSink, FileSource, FileWork,
};
use crate::agent::{Input, Written};
use crate::id::{BlobId, RequestId, SendId, Seq};
use crate::limits;
use crate::model::{
    Answer, Chunk, Code, Fetched, Fetching, Piece, Refusal, Request, Stopped, ToClient, ToServer,
    Uploading,
};
use crate::port::{FileStamp, Held, ProfileChange, ProfileState, SinkPlace, TransferItem};

const BLOB: BlobId = BlobId([4; 16]);
const HASH: [u8; 32] = [8; 32];
const GROUP: u64 = limits::GROUP_BYTES as u64;
const WINDOW: u64 = limits::TRANSFER_WINDOW as u64;

impl Desk {
    fn send_file(&mut self, label: &str) -> CommandId {
        let command = Command::SendFile {
            target: room(),
            source: FileSource::Path("a.txt".into()),
            name: None,
            media_type: String::new(),
            id: None,
            label: label.to_owned(),
        };
        self.command(command).unwrap()
    }

    fn fetch(&mut self, path: &str) -> CommandId {
        let command = Command::Fetch {
            blob: BLOB,
            sink: FileSink::Path(path.into()),
            start: 0,
            length: None,
            label: path.to_owned(),
        };
        self.command(command).unwrap()
    }

    /// What is to be done with files next, and for which transfer.
    fn work(&mut self) -> (SendId, FileWork) {
        assert!(!self.files.is_empty(), "nothing to do");
        self.files.remove(0)
    }

    fn news(&mut self, id: SendId, news: FileNews) {
        self.input(Input::File(id, news));
    }

    fn request(&mut self) -> (RequestId, Request) {
        let at = self
            .sent
            .iter()
            .position(|frame| matches!(frame, ToServer::Request(..)))
            .expect("a request");
        match self.sent.remove(at) {
            ToServer::Request(id, request) => (id, request),
            _ => unreachable!(),
        }
    }

    fn chunks(&mut self) -> Vec<Chunk> {
        let chunk = |frame: &ToServer| match frame {
            ToServer::Chunk(chunk) => Some(chunk.clone()),
            _ => None,
        };
        let chunks = self.sent.iter().filter_map(chunk).collect();
        self.sent.retain(|frame| chunk(frame).is_none());
        chunks
    }

    /// A file of this size is queued, and its path looked at.
    fn queue_file(&mut self, label: &str, size: u64) -> SendId {
        self.send_file(label);
        let (id, FileWork::Look(path)) = self.work() else {
            panic!("it is not looked at");
        };
        let stamp = FileStamp { size, modified: 1 };
        self.news(id, FileNews::Looked(Ok((path, stamp))));
        id
    }

    /// Its file is opened, the server asked, which wants it from there on.
    fn begin_upload(&mut self, offset: u64) -> (SendId, RequestId) {
        let (id, FileWork::OpenSource(..)) = self.work() else {
            panic!("it is not opened");
        };
        self.news(id, FileNews::SourceOpened(Ok(())));
        (id, self.upload_goes_on(id, offset))
    }

    fn upload_goes_on(&mut self, id: SendId, offset: u64) -> RequestId {
        let (request, Request::Upload(upload)) = self.request() else {
            panic!("the server is not asked");
        };
        assert_eq!((upload.id, upload.name.as_str()), (id, "a.txt"));
        let uploading = Uploading {
            blob: BLOB,
            offset,
            window: limits::TRANSFER_WINDOW,
        };
        self.frame(ToClient::Answer(request, Answer::Uploading(uploading)));
        request
    }

    /// The disk reads what is wanted.
    fn read(&mut self) {
        while let Some(at) = self
            .files
            .iter()
            .position(|(_, work)| matches!(work, FileWork::Read { .. }))
        {
            let (id, FileWork::Read { offset, length }) = self.files.remove(at) else {
                unreachable!();
            };
            self.news(id, FileNews::Read(offset, Ok(vec![1; length])));
        }
    }

    /// The transfers that a new start would find.
    fn transfers(&self) -> Vec<TransferItem> {
        let mut items: Vec<TransferItem> = Vec::new();
        for change in &self.disk {
            match change {
                ProfileChange::PutTransfer(item) => {
                    items.retain(|held| held.id != item.id);
                    items.push(item.clone());
                }
                ProfileChange::DropTransfer(id) => items.retain(|held| held.id != *id),
                _ => {}
            }
        }
        items
    }

    /// A download whose file can be written and whose server was asked.
    fn begin_download(&mut self, held: u64) -> (SendId, RequestId) {
        let (id, FileWork::OpenSink(..)) = self.work() else {
            panic!("it is not opened");
        };
        let opened = Ok((Held::Bytes(held), "boot".to_owned()));
        self.news(id, FileNews::SinkOpened(opened));
        let (request, Request::Fetch { offset, .. }) = self.request() else {
            panic!("the server is not asked");
        };
        assert_eq!(offset, held);
        (id, request)
    }

    fn queue_download(&mut self) -> SendId {
        self.fetch("/d/a.txt");
        let (id, FileWork::Place(_)) = self.work() else {
            panic!("the path is not looked at");
        };
        let place = SinkPlace::File {
            folder: "/d".into(),
            name: "a.txt".to_owned(),
        };
        self.news(id, FileNews::Placed(Ok(place)));
        id
    }

    fn fetching(&mut self, request: RequestId, offset: u64, size: u64, name: &str) {
        let fetching = Fetching {
            offset,
            end: size,
            size,
            hash: Some(HASH),
            name: name.to_owned(),
            media_type: String::new(),
        };
        self.frame(ToClient::Answer(
            request,
            Answer::Fetching(Box::new(fetching)),
        ));
    }

    fn piece(&mut self, transfer: RequestId, offset: u64, length: u64) {
        self.frame(ToClient::Piece(Piece {
            transfer,
            offset,
            parents: Vec::new(),
            bytes: vec![1; length as usize],
        }));
    }

    fn written(&mut self, id: SendId, upto: u64) {
        let written = Written { upto, synced: 0 };
        self.news(id, FileNews::Written(Ok(written)));
    }
}

fn acks(events: &[Event]) -> Vec<Seq> {
    let ack = |event: &Event| match event {
        Event::Acked { seq, .. } => Some(*seq),
        _ => None,
    };
    events.iter().filter_map(ack).collect()
}

fn refusals(events: &[Event]) -> Vec<Code> {
    let refusal = |event: &Event| match event {
        Event::Refused { refusal, .. } => Some(refusal.code),
        _ => None,
    };
    events.iter().filter_map(refusal).collect()
}

#[test]
fn a_file_goes_out_in_windows_and_is_acknowledged_with_its_entry() {
    let mut desk = Desk::at_work(setup(), 0);
    // Nobody knows yet how quick the network is.
    let least = u64::from(limits::TRANSFER_LEAST);
    let size = least + 5;
    let id = desk.queue_file("f", size);
    assert_eq!(desk.transfers().len(), 1);
    let (_, request) = desk.begin_upload(0);
    desk.read();
    let chunks = desk.chunks();
    assert_eq!(chunks.len() as u64, least / GROUP, "so many and no more");
    for (number, chunk) in chunks.iter().enumerate() {
        assert_eq!(chunk.transfer, request);
        assert_eq!(chunk.offset, number as u64 * GROUP);
    }
    desk.frame(ToClient::Received {
        transfer: request,
        upto: least,
    });
    desk.read();
    assert_eq!(desk.chunks()[0].bytes.len(), 5);
    desk.frame(ToClient::Received {
        transfer: request,
        upto: size,
    });
    assert!(matches!(desk.work(), (_, FileWork::Hash)));
    desk.news(id, FileNews::Hashed(Ok(HASH)));
    let (finish, Request::Finish { transfer, hash }) = desk.request() else {
        panic!("it is not finished");
    };
    assert_eq!((transfer, hash), (request, HASH));
    desk.events();
    let entered = Answer::Entered {
        conversation: LOBBY,
        seq: Seq(1),
    };
    desk.frame(ToClient::Answer(finish, entered));
    assert_eq!(acks(&desk.events()), [Seq(1)]);
    assert!(matches!(
        desk.work(),
        (_, FileWork::Close { discard: false })
    ));
    assert_eq!(desk.transfers(), []);
}

#[test]
fn after_a_cut_an_upload_goes_on_where_the_server_says() {
    let mut desk = Desk::at_work(setup(), 0);
    desk.queue_file("f", 3 * GROUP);
    let (id, _) = desk.begin_upload(0);
    desk.read();
    desk.chunks();
    desk.cut();
    desk.come_back();
    desk.upload_goes_on(id, GROUP);
    desk.read();
    let offsets: Vec<u64> = desk.chunks().iter().map(|chunk| chunk.offset).collect();
    assert_eq!(offsets, [GROUP, 2 * GROUP]);
}

#[test]
fn an_upload_whose_answer_was_lost_is_settled_by_its_entry_or_by_asking_again() {
    for by_entry in [true, false] {
        let mut desk = Desk::at_work(setup(), 0);
        let id = desk.queue_file("f", 0);
        desk.begin_upload(0);
        assert!(matches!(desk.work(), (_, FileWork::Hash)));
        desk.news(id, FileNews::Hashed(Ok(HASH)));
        let (finish, _) = desk.request();
        let entered = || Answer::Entered {
            conversation: LOBBY,
            seq: Seq(1),
        };
        if by_entry {
            desk.frame(own_entry(1, id));
            // The answer comes all the same, and means nothing more.
            desk.frame(ToClient::Answer(finish, entered()));
        } else {
            desk.cut();
            desk.come_back();
            let (request, _) = desk.request();
            desk.frame(ToClient::Answer(request, entered()));
        }
        assert_eq!(acks(&desk.events()), [Seq(1)]);
        assert!(desk.link.is_some());
    }
}

#[test]
fn an_earlier_runs_upload_keeps_its_id() {
    let mut desk = Desk::at_work(setup(), 0);
    let id = desk.queue_file("f", GROUP);
    let state = ProfileState {
        transfers: desk.transfers(),
        ..ProfileState::default()
    };
    let mut again = setup();
    again.state = state;
    let mut desk = Desk::at_work(again, 0);
    let (same, _) = desk.begin_upload(0);
    assert_eq!(same, id);
}

#[test]
fn only_a_few_transfers_move_at_a_time() {
    let mut desk = Desk::at_work(setup(), 0);
    let count = limits::TRANSFERS_AT_ONCE;
    for number in 0..=count {
        let label = number.to_string();
        desk.send_file(&label);
        let look = desk.files.len() - 1;
        let (id, _) = desk.files.remove(look);
        let stamp = FileStamp::default();
        desk.news(id, FileNews::Looked(Ok(("a.txt".into(), stamp))));
    }
    assert_eq!(desk.files.len(), count);
    // One that fails makes room for the next.
    let (id, _) = desk.work();
    let refusal = Refusal::new(Code::LocalFile);
    desk.news(id, FileNews::SourceOpened(Err(refusal)));
    assert_eq!(refusals(&desk.events()), [Code::LocalFile]);
    assert!(matches!(
        desk.files.last(),
        Some((_, FileWork::OpenSource(..)))
    ));
}

#[test]
fn a_file_that_changes_is_given_up_and_the_server_may_forget_it() {
    let mut desk = Desk::at_work(setup(), 0);
    desk.queue_file("f", GROUP);
    let (id, request) = desk.begin_upload(0);
    let (_, FileWork::Read { offset, .. }) = desk.work() else {
        panic!("it is not read");
    };
    let changed = Refusal::new(Code::LocalFile);
    desk.news(id, FileNews::Read(offset, Err(changed)));
    assert_eq!(refusals(&desk.events()), [Code::LocalFile]);
    assert!(desk.sent.contains(&ToServer::Stop(request)));
    let (abandon, asked) = desk.request();
    assert_eq!(asked, Request::Abandon { id });
    desk.frame(ToClient::Answer(abandon, Answer::Done));
    assert_eq!(desk.transfers(), []);
    assert!(desk.link.is_some());
}

#[test]
fn what_is_refused_for_now_is_asked_again_and_what_is_refused_is_told() {
    let mut desk = Desk::at_work(setup(), 0);
    desk.queue_file("f", GROUP);
    let (id, FileWork::OpenSource(..)) = desk.work() else {
        panic!("it is not opened");
    };
    desk.news(id, FileNews::SourceOpened(Ok(())));
    let (request, _) = desk.request();
    let later = Refusal::new(Code::Busy).retry_in(2_000);
    desk.frame(ToClient::Error(request, later));
    assert_eq!(refusals(&desk.events()), []);
    desk.wait();
    let (request, _) = desk.request();
    desk.frame(ToClient::Error(request, Refusal::new(Code::TooBig)));
    desk.files.clear();
    assert_eq!(refusals(&desk.events()), [Code::TooBig]);
    assert_eq!(desk.transfers(), []);
    let (request, Request::Abandon { .. }) = desk.request() else {
        panic!("what came of it is not given up");
    };
    desk.frame(ToClient::Answer(request, Answer::Done));

    // A disk that is full may stay so.
    desk.queue_file("g", GROUP);
    let (_, request) = desk.begin_upload(0);
    desk.frame(ToClient::Stopped(Stopped {
        transfer: request,
        refusal: Refusal::new(Code::Storage).retry_in(2_000),
    }));
    assert_eq!(refusals(&desk.events()), [Code::Storage]);
}

#[test]
fn nothing_is_written_before_the_profile_knows_whose_the_part_is() {
    let mut desk = Desk::at_work(setup(), 0);
    let id = desk.queue_download();
    let (_, request) = desk.begin_download(0);
    desk.slow = Some(Vec::new());
    desk.fetching(request, 0, GROUP + 5, "other name");
    desk.piece(request, 0, GROUP);
    assert!(desk.files.is_empty());
    desk.disk_catches_up();
    let (_, FileWork::Begin(beginning)) = desk.work() else {
        panic!("it does not begin");
    };
    let wanted = Beginning {
        length: GROUP + 5,
        hash: Some(HASH),
        size: GROUP + 5,
        offset: 0,
        from: 0,
        to: GROUP + 5,
    };
    assert_eq!(beginning, wanted);
    assert!(matches!(desk.work(), (_, FileWork::Write(_))));
    desk.piece(request, GROUP, 5);
    assert!(matches!(desk.work(), (_, FileWork::Write(_))));
    desk.written(id, GROUP + 5);
    let taken = ToServer::Taken {
        transfer: request,
        upto: GROUP + 5,
    };
    assert!(desk.sent.contains(&taken));
    let fetched = Fetched {
        transfer: request,
        hash: HASH,
    };
    desk.frame(ToClient::Fetched(fetched));
    let (_, FileWork::Finish { hash, unproven }) = desk.work() else {
        panic!("it does not end");
    };
    assert_eq!((hash, unproven), (Some(HASH), false));
    desk.events();
    desk.news(id, FileNews::Finished(Ok(Some("/d/a.txt".into()))));
    let events = desk.events();
    assert!(matches!(&events[..], [Event::Fetched { hash: HASH, .. }]));
    assert_eq!(desk.transfers(), []);
}

#[test]
fn after_a_cut_a_download_goes_on_behind_what_it_has() {
    let mut desk = Desk::at_work(setup(), 0);
    desk.queue_download();
    let (_, request) = desk.begin_download(0);
    desk.fetching(request, 0, 3 * GROUP, "x");
    desk.piece(request, 0, GROUP);
    desk.cut();
    desk.come_back();
    let (request, Request::Fetch { offset, .. }) = desk.request() else {
        panic!("the server is not asked");
    };
    assert_eq!(offset, GROUP);
    desk.files.clear();
    desk.fetching(request, GROUP, 3 * GROUP, "x");
    assert!(matches!(desk.work(), (_, FileWork::Begin(_))));
}

#[test]
fn an_earlier_runs_part_is_taken_up() {
    let mut desk = Desk::at_work(setup(), 0);
    desk.queue_download();
    let (_, request) = desk.begin_download(0);
    desk.fetching(request, 0, 3 * GROUP, "x");
    let mut again = setup();
    again.state.transfers = desk.transfers();
    let mut desk = Desk::at_work(again, 0);
    let (_, FileWork::OpenSink(_, Some(part))) = &desk.files[0] else {
        panic!("the part is not known");
    };
    assert_eq!((part.hash, part.size), (Some(HASH), 3 * GROUP));
    desk.begin_download(2 * GROUP);
}

#[test]
fn the_same_wish_joins_and_another_one_for_the_same_path_is_refused() {
    let mut desk = Desk::at_work(setup(), 0);
    let first = desk.queue_download();
    let second = desk.fetch("/d/a.txt");
    let place = || SinkPlace::File {
        folder: "/d".into(),
        name: "a.txt".to_owned(),
    };
    desk.events();
    let (id, _) = desk.files.pop().unwrap();
    desk.news(id, FileNews::Placed(Ok(place())));
    let queued = Event::Queued {
        command: second,
        label: "/d/a.txt".to_owned(),
        id: first,
    };
    assert_eq!(desk.events(), [queued]);
    let other = Command::Fetch {
        blob: BlobId([5; 16]),
        sink: FileSink::Path("/d/a.txt".into()),
        start: 0,
        length: None,
        label: String::new(),
    };
    desk.command(other).unwrap();
    let (id, _) = desk.files.pop().unwrap();
    desk.news(id, FileNews::Placed(Ok(place())));
    assert_eq!(refusals(&desk.events()), [Code::LocalFile]);
}

#[test]
fn a_name_that_leads_elsewhere_is_refused_before_a_byte_is_written() {
    let mut desk = Desk::at_work(setup(), 0);
    desk.fetch("/d");
    let (id, _) = desk.work();
    let place = SinkPlace::Folder("/d".into());
    desk.news(id, FileNews::Placed(Ok(place)));
    let (request, Request::Fetch { .. }) = desk.request() else {
        panic!("the server is not asked");
    };
    desk.fetching(request, 0, 5, "../../etc/passwd");
    assert_eq!(refusals(&desk.events()), [Code::BadName]);
    assert!(desk.sent.contains(&ToServer::Stop(request)));
    assert!(matches!(desk.files[..], [(_, FileWork::Close { .. })]));
    // Late pieces harm nobody.
    desk.piece(request, 0, 5);
    assert!(desk.link.is_some());
}

#[test]
fn pieces_beyond_the_window_or_out_of_order_end_the_link() {
    let mut desk = Desk::at_work(setup(), 0);
    desk.queue_download();
    let (_, request) = desk.begin_download(0);
    desk.fetching(request, 0, 2 * WINDOW, "x");
    for number in 0..WINDOW / GROUP {
        desk.piece(request, number * GROUP, GROUP);
    }
    assert!(desk.link.is_some());
    desk.piece(request, WINDOW, GROUP);
    assert!(desk.link.is_none());

    desk.come_back();
    let (request, _) = desk.request();
    desk.fetching(request, WINDOW, 2 * WINDOW, "x");
    desk.piece(request, WINDOW + GROUP, GROUP);
    assert!(desk.link.is_none());
}

#[test]
fn a_cancelled_transfer_is_gone_on_both_sides() {
    let mut desk = Desk::at_work(setup(), 0);
    let id = desk.queue_download();
    desk.begin_download(0);
    desk.events();
    let cancel = desk.command(Command::Cancel(id)).unwrap();
    let events = desk.events();
    assert!(
        matches!(&events[..], [Event::Canceled { .. }, Event::Answer { command, .. }]
        if *command == cancel),
        "{events:?}"
    );
    assert!(matches!(
        desk.work(),
        (_, FileWork::Close { discard: true })
    ));
    assert_eq!(desk.transfers(), []);
}

#[test]
fn a_download_that_the_server_ends_says_why() {
    let mut desk = Desk::at_work(setup(), 0);
    desk.queue_download();
    let (_, request) = desk.begin_download(0);
    desk.fetching(request, 0, GROUP, "x");
    let refusal = Refusal::new(Code::Damaged);
    desk.frame(ToClient::Stopped(Stopped {
        transfer: request,
        refusal,
    }));
    assert_eq!(refusals(&desk.events()), [Code::Damaged]);
}

#[test]
fn leaving_waits_for_transfers_or_says_that_they_are_kept() {
    let mut desk = Desk::at_work(setup(), 0);
    let id = desk.queue_file("f", GROUP);
    desk.events();
    desk.command(Command::Leave { flush: true }).unwrap();
    assert_eq!(desk.events(), []);
    desk.command(Command::Leave { flush: false }).unwrap();
    let events = desk.events();
    assert!(
        events.iter().any(|event| matches!(event,
            Event::Unsent { id: open, kept: true, .. } if *open == id)),
        "{events:?}"
    );
}
