//! The hub by scripts: people do things, and what their links were told is compared.

mod admin;
mod delivery;
mod files;
mod hooks;
mod lists;
mod login;
mod membership;
mod presence;
mod receipt;
mod resume;
mod store;
mod words;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use self::store::Store;
use self::words::{entry_words, words};
use super::{Effect, Hub, Input, Load, Loaded, Policy};
use crate::id::{AccountId, ConversationId, Epoch, LinkId, RequestId, SendId, Seq, Ticket};
use crate::limits;
use crate::model::{
    AccountName, Admin, AdminAnswer, Answer, Body, ByeReason, Change, Content, Conversation,
    FileRules, GapReason, Login, Now, Peer, Position, PresenceState, Refusal, Registration,
    Request, Resume, Rights, Role, RoomName, Send, Target, Time, ToClient, ToServer, UnixTime,
};
use crate::port::{Ask, Fault, News, Random, Write};

/// A server's hub with a store that answers at once, unless it is told to hold back.
struct House {
    hub: Hub,
    store: Store,
    policy: Policy,
    now: Now,
    mail: BTreeMap<LinkId, Vec<ToClient>>,
    closed: BTreeMap<LinkId, Option<ByeReason>>,
    answers: Vec<Result<AdminAnswer, Refusal>>,
    drained: bool,
    links: u64,
    requests: u32,
    ids: u64,
    /// What the hub is told next: answers come in the order in which things were done.
    inbox: VecDeque<Input>,
    /// Writes are kept until [`House::commit`].
    hold_writes: bool,
    writes: Vec<(Ticket, Write)>,
    /// What was read is kept until [`House::answer_reads`].
    hold_reads: bool,
    reads: VecDeque<(Ticket, Result<Loaded, Fault>)>,
    read_count: usize,
    /// Passwords are kept until [`House::check_passwords`].
    hold_passwords: bool,
    passwords: VecDeque<Input>,
    /// What became of the bytes of files.
    disk: files::Disk,
    clients: HashMap<LinkId, Device>,
    /// What plugins were asked and not answered, and what they were told.
    asks: VecDeque<Ask>,
    news: Vec<News>,
}

/// What a client knows, and by which it checks what it is told.
#[derive(Clone, Default)]
struct Device {
    positions: BTreeMap<ConversationId, (Epoch, Seq)>,
    epochs: BTreeMap<ConversationId, Epoch>,
    unpaid: u64,
}

struct Dice(u64);

impl Random for Dice {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            *byte = (self.0 >> 33) as u8;
        }
    }
}

const PASSWORD: &str = "correct horse";
const START: UnixTime = UnixTime(1_800_000_000_000_000);

impl House {
    /// Open to everybody and without a lobby.
    fn new() -> Self {
        Self::with(Registration::Open, None)
    }

    fn with(registration: Registration, lobby: Option<&str>) -> Self {
        let policy = Policy {
            registration,
            lobby: lobby.map(|name| RoomName::new(name).unwrap()),
            epoch_seed: [3; 16],
            durable: true,
            files: FileRules::default(),
        };
        let store = Store::default();
        let mut house = Self {
            hub: Hub::new(policy.clone(), store.snapshot(), Box::new(Dice(1))),
            store,
            policy,
            now: Now {
                time: Time(10_000_000),
                date: START,
            },
            mail: BTreeMap::new(),
            closed: BTreeMap::new(),
            answers: Vec::new(),
            drained: false,
            links: 0,
            requests: 0,
            ids: 0,
            inbox: VecDeque::new(),
            hold_writes: false,
            writes: Vec::new(),
            hold_reads: false,
            reads: VecDeque::new(),
            read_count: 0,
            hold_passwords: false,
            passwords: VecDeque::new(),
            disk: files::Disk::default(),
            clients: HashMap::new(),
            asks: VecDeque::new(),
            news: Vec::new(),
        };
        house.start();
        house
    }

    fn start(&mut self) {
        let mut out = Vec::new();
        self.hub.start(self.now, &mut out);
        self.perform(out);
        self.work();
    }

    /// The server stops hard and starts again with what is on disk.
    fn restart(&mut self) {
        self.mail.clear();
        self.writes.clear();
        self.reads.clear();
        self.ids += 1;
        let dice = Dice(7 + self.ids);
        self.hub = Hub::new(self.policy.clone(), self.store.snapshot(), Box::new(dice));
        self.start();
    }

    fn input(&mut self, input: Input) {
        self.inbox.push_back(input);
        self.work();
    }

    fn work(&mut self) {
        while let Some(input) = self.inbox.pop_front() {
            let mut out = Vec::new();
            self.hub.handle(input, self.now, &mut out);
            self.perform(out);
        }
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send(link, message) => self.tell(link, message),
                Effect::Fan(links, entry) => {
                    for link in links {
                        self.tell(link, ToClient::Entry(Arc::clone(&entry)));
                    }
                }
                Effect::Close(link, reason) => {
                    self.closed.insert(link, reason.map(|(reason, _)| reason));
                    self.inbox.push_back(Input::Gone {
                        link,
                        reason: ByeReason::Left,
                    });
                }
                Effect::Write(ticket, write) => {
                    if self.hold_writes {
                        self.writes.push((ticket, write));
                    } else {
                        let done = self.store.commit(vec![(ticket, write)]);
                        self.inbox.extend(done.into_iter().map(Input::Committed));
                    }
                }
                Effect::Load(ticket, load) => {
                    self.read_count += usize::from(matches!(load, Load::Read(..)));
                    let loaded = self.store.load(&load);
                    if self.hold_reads {
                        self.reads.push_back((ticket, loaded));
                    } else {
                        self.inbox.push_back(Input::Loaded(ticket, loaded));
                    }
                }
                Effect::Hash(ticket, password) => {
                    let input = Input::Hashed(ticket, Some(format!("h:{password}")));
                    self.password(input);
                }
                Effect::Verify(ticket, password, verifier) => {
                    let good = verifier == Some(format!("h:{password}"));
                    self.password(Input::Verified(ticket, good));
                }
                Effect::Ask(ask) => self.asks.push_back(ask),
                Effect::Tell(news) => self.news.push(news),
                Effect::File(work) => self.do_files(work),
                Effect::Admin(_, answer) => self.answers.push(answer),
                Effect::Drained => self.drained = true,
            }
        }
    }

    fn password(&mut self, input: Input) {
        if self.hold_passwords {
            self.passwords.push_back(input);
        } else {
            self.inbox.push_back(input);
        }
    }

    /// A frame arrives at a client, which checks that nothing is missing, double, or beyond credit.
    fn tell(&mut self, link: LinkId, message: ToClient) {
        let device = self.clients.entry(link).or_default();
        match &message {
            ToClient::Conversations { items, .. } => {
                for item in items {
                    device.epochs.insert(item.id, item.epoch);
                }
            }
            ToClient::Entry(entry) => {
                let epoch = device.epochs[&entry.conversation];
                let held = device
                    .positions
                    .entry(entry.conversation)
                    .or_insert((epoch, Seq::ZERO));
                assert_eq!(held.0, epoch, "an entry of another run without a gap");
                assert!(
                    entry.prev <= held.1 && held.1 < entry.seq,
                    "{link:?} has {:?} and got {:?} after {:?}",
                    held.1,
                    entry.seq,
                    entry.prev
                );
                held.1 = entry.seq;
                device.unpaid += entry.cost();
                assert!(
                    device.unpaid <= limits::ENTRY_CREDIT,
                    "pushed beyond credit"
                );
            }
            ToClient::Gap {
                conversation,
                epoch,
                from,
                to,
                reason,
            } => {
                let held = device
                    .positions
                    .entry(*conversation)
                    .or_insert((*epoch, Seq::ZERO));
                if *reason == GapReason::Restored {
                    *held = (*epoch, Seq::ZERO);
                } else {
                    assert_eq!(held.0, *epoch);
                    assert!(*from <= held.1.next(), "a gap behind a hole");
                    assert!(*to > held.1, "a gap that says nothing");
                    held.1 = *to;
                }
            }
            _ => {}
        }
        self.mail.entry(link).or_default().push(message);
    }

    // What people do.

    fn open(&mut self) -> LinkId {
        self.links += 1;
        // As the driver does it: the lower half is an index that is used again.
        let link = LinkId((self.links << 32) | (self.links % 1024));
        self.input(Input::Accepted {
            link,
            from: 1,
            address: "192.0.2.1".into(),
        });
        link
    }

    fn log_in_as(&mut self, link: LinkId, key: &str, login: Login) {
        let key = *blake3::hash(key.as_bytes()).as_bytes();
        let login = Box::new(login);
        self.input(Input::Login { link, key, login });
    }

    /// A new account, whose first device logs in and resumes.
    fn register(&mut self, name: &str) -> LinkId {
        let link = self.open();
        let login = Login {
            register: true,
            password: Some(PASSWORD.into()),
            ..login(name)
        };
        self.log_in_as(link, name, login);
        self.resume(link, &Device::default());
        link
    }

    /// The first device logs in anew, without any positions.
    fn log_in(&mut self, name: &str) -> LinkId {
        self.log_in_with(name, &Device::default())
    }

    fn log_in_with(&mut self, name: &str, device: &Device) -> LinkId {
        let link = self.open();
        self.log_in_as(link, name, login(name));
        self.resume(link, device);
        link
    }

    /// Another device of an account.
    fn log_in_from(&mut self, name: &str, device: &str) -> LinkId {
        let link = self.open();
        let login = Login {
            password: Some(PASSWORD.into()),
            ..login(name)
        };
        self.log_in_as(link, device, login);
        self.resume(link, &Device::default());
        link
    }

    fn resume(&mut self, link: LinkId, device: &Device) {
        let positions = device
            .positions
            .iter()
            .map(|(conversation, (epoch, seq))| Position {
                conversation: *conversation,
                epoch: *epoch,
                seq: *seq,
            })
            .collect();
        let held = self.clients.entry(link).or_default();
        held.positions = device.positions.clone();
        let resume = Resume {
            positions,
            ..Resume::default()
        };
        self.frame(link, ToServer::Resume(resume));
    }

    /// The link breaks; what the client knows stays.
    fn cut(&mut self, link: LinkId) -> Device {
        let reason = ByeReason::Lost;
        self.input(Input::Gone { link, reason });
        self.mail.remove(&link);
        let device = self.clients.remove(&link).unwrap_or_default();
        Device {
            positions: device.positions,
            ..Device::default()
        }
    }

    fn frame(&mut self, link: LinkId, message: ToServer) {
        self.input(Input::Frame { link, message });
    }

    fn ask(&mut self, link: LinkId, request: Request) {
        self.requests += 1;
        self.frame(link, ToServer::Request(RequestId(self.requests), request));
    }

    fn new_id(&mut self) -> SendId {
        self.ids += 1;
        let mut random = [0; 10];
        random[2..].copy_from_slice(&self.ids.to_be_bytes());
        SendId::new(self.now.date, random)
    }

    fn send(&mut self, link: LinkId, to: &str, id: SendId, again: bool, body: Body) {
        self.requests += 1;
        let send = Send {
            request: RequestId(self.requests),
            target: target(to),
            id,
            again,
            body,
        };
        self.frame(link, ToServer::Send(send));
    }

    /// Sends something new.
    fn post(&mut self, link: LinkId, to: &str, body: Body) -> SendId {
        let id = self.new_id();
        self.send(link, to, id, false, body);
        id
    }

    fn say(&mut self, link: LinkId, to: &str, text: &str) -> SendId {
        self.post(link, to, Body::text(text, None))
    }

    fn say_again(&mut self, link: LinkId, to: &str, id: SendId, text: &str) {
        self.send(link, to, id, true, Body::text(text, None));
    }

    fn create(&mut self, link: LinkId, room: &str, public: bool) {
        let room = RoomName::new(room).unwrap();
        let history = None;
        self.ask(
            link,
            Request::Create {
                room,
                public,
                history,
            },
        );
    }

    /// A public room with these members, the first one its owner.
    fn room(&mut self, name: &str, links: &[LinkId]) -> ConversationId {
        self.create(links[0], name, true);
        for link in &links[1..] {
            self.join(*link, name);
        }
        self.forget_mail();
        self.store.room_named(name).unwrap()
    }

    fn join(&mut self, link: LinkId, room: &str) {
        self.change(link, room, None, Change::Joined);
    }

    fn leave(&mut self, link: LinkId, room: &str) {
        self.change(link, room, None, Change::Left);
    }

    fn change(&mut self, link: LinkId, room: &str, who: Option<&str>, change: Change) {
        self.change_with(link, room, who, change, None, 0);
    }

    fn give(&mut self, link: LinkId, room: &str, who: &str, role: Role) {
        self.change_with(link, room, Some(who), Change::Role, Some(role), 0);
    }

    fn change_with(
        &mut self,
        link: LinkId,
        room: &str,
        who: Option<&str>,
        change: Change,
        role: Option<Role>,
        seconds: u64,
    ) {
        let request = Request::Change {
            target: target(&format!("#{room}")),
            account: who.map(|name| AccountName::new(name).unwrap()),
            change,
            role,
            seconds,
        };
        self.ask(link, request);
    }

    /// The application took everything: credit goes back.
    fn take(&mut self, link: LinkId) {
        let device = self.clients.get_mut(&link).unwrap();
        let paid = std::mem::take(&mut device.unpaid);
        self.frame(link, ToServer::Credit(paid));
    }

    fn admin(&mut self, wish: Admin) -> Result<AdminAnswer, Refusal> {
        self.input(Input::Admin(1, wish));
        self.answers.pop().expect("an answer")
    }

    fn add_account(&mut self, name: &str, password: Option<&str>) -> Result<AdminAnswer, Refusal> {
        self.admin(Admin::AddAccount {
            name: AccountName::new(name).unwrap(),
            password: password.map(str::to_owned),
            rights: Rights::User,
        })
    }

    // What the world does.

    fn commit(&mut self) {
        self.hold_writes = false;
        let batch = std::mem::take(&mut self.writes);
        let done = self.store.commit(batch);
        self.inbox.extend(done.into_iter().map(Input::Committed));
        self.work();
    }

    fn answer_reads(&mut self) {
        self.hold_reads = false;
        self.answer_reads_so_far();
    }

    fn answer_reads_so_far(&mut self) {
        for (ticket, loaded) in std::mem::take(&mut self.reads) {
            self.input(Input::Loaded(ticket, loaded));
        }
    }

    fn check_passwords(&mut self) {
        self.hold_passwords = false;
        for input in std::mem::take(&mut self.passwords) {
            self.input(input);
        }
    }

    fn trim(&mut self, conversation: ConversationId, first: u64) {
        let trimmed = self.store.trim(conversation, Seq(first));
        self.input(Input::Committed(trimmed));
    }

    /// Time passes, with everything that is due in between.
    fn wait(&mut self, span: Duration) {
        let end = self.now.time + span;
        loop {
            let due = self.hub.poll_timeout().filter(|due| *due <= end);
            let next = due.unwrap_or(end).max(self.now.time);
            self.now.date = self.now.date + next.since(self.now.time);
            self.now.time = next;
            self.input(Input::Due);
            if due.is_none() {
                return;
            }
        }
    }

    // What links were told.

    fn forget_mail(&mut self) {
        self.wait(limits::RECEIPT_MERGE);
        self.mail.clear();
    }

    fn mail(&mut self, link: LinkId) -> Vec<ToClient> {
        self.mail.remove(&link).unwrap_or_default()
    }

    /// Everything, in words.
    fn told(&mut self, link: LinkId) -> Vec<String> {
        self.mail(link).iter().map(words).collect()
    }

    /// Entries and gaps, in words.
    fn heard(&mut self, link: LinkId) -> Vec<String> {
        let mail = self.mail(link);
        let of_log = |told: &&ToClient| matches!(told, ToClient::Entry(_) | ToClient::Gap { .. });
        mail.iter().filter(of_log).map(words).collect()
    }

    /// Answers, acks and refusals, in words.
    fn answered(&mut self, link: LinkId) -> Vec<String> {
        let mail = self.mail(link);
        let answers = |told: &&ToClient| {
            matches!(
                told,
                ToClient::Answer(..) | ToClient::Error(..) | ToClient::Ack { .. }
            )
        };
        mail.iter().filter(answers).map(words).collect()
    }

    /// The last answer.
    fn reply(&mut self, link: LinkId) -> Answer {
        let mut mail = self.mail(link).into_iter().rev();
        let reply = mail.find_map(|told| match told {
            ToClient::Answer(_, answer) => Some(answer),
            _ => None,
        });
        reply.expect("an answer")
    }

    fn conversations(&mut self, link: LinkId) -> Vec<Conversation> {
        self.ask(link, Request::Conversations { after: None });
        match self.reply(link) {
            Answer::Conversations(items, _) => items,
            other => panic!("{other:?}"),
        }
    }

    fn account(&self, name: &str) -> AccountId {
        self.store.account_named(name).unwrap()
    }
}

/// Ann and bob in a room.
fn lobby() -> (House, LinkId, LinkId) {
    let mut house = House::new();
    let (ann, bob) = (house.register("ann"), house.register("bob"));
    house.room("lobby", &[ann, bob]);
    (house, ann, bob)
}

/// Ann in that room.
fn alone() -> (House, LinkId) {
    let mut house = House::new();
    let ann = house.register("ann");
    house.room("lobby", &[ann]);
    (house, ann)
}

fn login(name: &str) -> Login {
    Login {
        account: name.into(),
        password: None,
        register: false,
        invite: None,
        device: "test".into(),
        capabilities: Vec::new(),
        enroll: true,
        extensions: crate::model::Extensions::default(),
    }
}

/// `#room` or `@account`.
fn target(text: &str) -> Target {
    match text.split_at(1) {
        ("#", name) => Target::Room(RoomName::new(name).unwrap()),
        ("@", name) => Target::Account(AccountName::new(name).unwrap()),
        _ => panic!("{text} is no target"),
    }
}

/// A text so long that sixteen of them use the credit up.
fn long() -> String {
    "x".repeat(limits::TEXT_BYTES)
}
