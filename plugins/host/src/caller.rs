//! Calls filters of this process where their verdicts are wanted: on the threads that serve links, in a task of
//! its own, so that no thread has to be woken for an answer.
//!
//! Only what somebody waits for is called here, and only while it is quick: a plugin of which one call took
//! longer than [`limits::PROMPT`] is left to the workers for a while. A call that does not come back keeps the
//! thread; the clock sees it, has the thread replaced and starts another caller. On threads of somebody's
//! executor, which are not to be kept, there is no caller.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::desk::Desk;
use crate::instance::lock;
use crate::limits;
use crate::shared::{CallerState, Shared};
use crate::slot::{SeatId, What};

impl Shared {
    /// Starts a caller, in place of the one there was.
    pub(crate) fn start_caller(self: &Arc<Self>, desk: &mut Desk) {
        let Some(workplace) = self.workplace.get() else {
            return;
        };
        let number = desk.next_id();
        desk.caller = Some(number);
        lock(&self.inbox).caller = CallerState::Works(true);
        let shared = Arc::clone(self);
        workplace.spawn(Box::pin(poll_fn(move |cx| shared.poll_calls(number, cx))));
    }

    fn poll_calls(self: &Arc<Self>, number: u64, cx: &Context<'_>) -> Poll<()> {
        let Some(workplace) = self.workplace.get() else {
            return Poll::Ready(());
        };
        let mut desk = lock(&self.desk);
        if !workplace.may_keep() {
            self.go_without_caller(&mut desk);
            self.settle(desk);
            return Poll::Ready(());
        }
        let began = Instant::now();
        loop {
            // Whoever comes to the desk from now on says so.
            lock(&self.inbox).caller = CallerState::Works(false);
            self.take_asks(&mut desk);
            while let Some(id) = desk.prompt.pop_front() {
                if desk.closing {
                    break;
                }
                desk.caller_in = Some((id, desk.tick));
                let returned = self.run(desk, id, What::is_ask);
                desk = returned.unwrap_or_else(|| lock(&self.desk));
                if desk.caller != Some(number) {
                    // It has a successor, and so has its thread.
                    desk.kept = desk.kept.saturating_sub(1);
                    self.settle(desk);
                    workplace.give_back();
                    return Poll::Ready(());
                }
                desk.caller_in = None;
                // Others want to have this thread, too.
                if desk.out.len() >= limits::OUT || began.elapsed() > limits::TURN_TIME {
                    self.settle(desk);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
            let is_over = desk.closing;
            self.settle(desk);
            if is_over {
                return Poll::Ready(());
            }
            let mut inbox = lock(&self.inbox);
            if matches!(inbox.caller, CallerState::Works(false)) {
                inbox.caller = CallerState::Rests(cx.waker().clone());
                return Poll::Pending;
            }
            drop(inbox);
            desk = lock(&self.desk);
        }
    }

    /// From now on workers make all calls.
    fn go_without_caller(&self, desk: &mut Desk) {
        desk.caller = None;
        let Desk {
            prompt, runnable, ..
        } = desk;
        runnable.append(prompt);
        lock(&self.inbox).caller = CallerState::Nobody;
        // What came while there was one has woken nobody else.
        self.take_asks(desk);
    }

    /// The caller has been in a call for too long: its thread and itself are replaced. Says whether it was in
    /// that of this instance.
    pub(crate) fn replace_caller(self: &Arc<Self>, desk: &mut Desk, stuck: SeatId) -> bool {
        if desk.caller_in.is_none_or(|(seat, _)| seat != stuck) {
            return false;
        }
        desk.caller_in = None;
        desk.kept += 1;
        if let Some(workplace) = self.workplace.get() {
            workplace.replace();
        }
        match desk.kept < limits::KEPT {
            true => self.start_caller(desk),
            false => self.go_without_caller(desk),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::os::unix::net::UnixStream;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::thread;
    use std::time::Duration;

    use chat_engine::port::{
        Ask, BoxFuture, FromHooks, LoginAsk, PluginName, Question, Reader, Workplace,
    };
    use chat_engine::{AccountName, LinkId, Ticket};
    use chat_plugin::{Hook, Plugin, Setup, Verdict, abi, capability, declare};
    use futures_lite::future;

    use super::*;
    use crate::settings::Settings;
    use crate::slot::{SlotId, State};

    /// Runs each task on a thread of its own, and tells what is asked of it.
    #[derive(Debug)]
    struct Stage {
        may_keep: bool,
        told: Mutex<Sender<Told>>,
    }

    enum Told {
        Spawned(BoxFuture<'static, ()>),
        Replaced,
        Back,
    }

    impl Workplace for Stage {
        fn spawn(&self, task: BoxFuture<'static, ()>) {
            let _ = lock(&self.told).send(Told::Spawned(task));
        }

        fn reader(&self, _: UnixStream) -> io::Result<Reader> {
            Err(io::Error::other("there is no helper"))
        }

        fn may_keep(&self) -> bool {
            self.may_keep
        }

        fn replace(&self) {
            let _ = lock(&self.told).send(Told::Replaced);
        }

        fn give_back(&self) {
            let _ = lock(&self.told).send(Told::Back);
        }
    }

    fn shared(may_keep: bool) -> (Arc<Shared>, Receiver<Told>) {
        let shared = Shared::new(Vec::new(), None);
        let (told, heard) = channel();
        let stage = Arc::new(Stage {
            may_keep,
            told: Mutex::new(told),
        });
        shared.workplace.set(stage).unwrap();
        shared.with(|desk| shared.start_caller(desk));
        (shared, heard)
    }

    /// Runs the next task.
    fn start(heard: &Receiver<Told>) -> thread::JoinHandle<()> {
        let Ok(Told::Spawned(task)) = heard.recv() else {
            panic!("nothing is to be run");
        };
        thread::spawn(move || future::block_on(task))
    }

    fn login(ticket: u64) -> Ask {
        Ask {
            ticket: Ticket(ticket),
            question: Question::Login(Arc::new(LoginAsk {
                link: LinkId(1),
                name: AccountName::new("ann").unwrap(),
                device: String::new(),
                register: false,
            })),
        }
    }

    #[test]
    fn what_comes_before_the_caller_finds_itself_on_a_wrong_thread_is_answered() {
        let (shared, heard) = shared(false);
        let desk = lock(&shared.desk);
        // Somebody is at the desk, and the caller is to look.
        shared.put_asks(vec![login(1)]);
        drop(desk);
        start(&heard).join().unwrap();
        let out = shared.take_out();
        assert!(
            matches!(out.as_slice(), [FromHooks::Verdict(Ticket(1), _)]),
            "{out:?}"
        );
        shared.close();
    }

    static INSIDE: Mutex<Option<(Sender<()>, Receiver<()>)>> = Mutex::new(None);
    static IS_GONE: AtomicBool = AtomicBool::new(false);
    /// One test at a time has the filter.
    static TURN: Mutex<()> = Mutex::new(());

    /// Says when it is called, and answers when it is told to.
    struct Held;

    impl Plugin for Held {
        fn init(setup: &mut Setup<'_, Self>) -> Result<Self, String> {
            setup.on(Hook::Login, 0, Self::login)?;
            Ok(Self)
        }
    }

    impl Held {
        fn login(&mut self, _: &chat_plugin::Event<'_>) -> Verdict {
            if let Some((inside, release)) = lock(&INSIDE).take() {
                inside.send(()).unwrap();
                let _ = release.recv();
            }
            Verdict::Pass
        }
    }

    impl Drop for Held {
        fn drop(&mut self) {
            IS_GONE.store(true, Ordering::Release);
        }
    }

    static HELD: abi::chat_plugin = declare!(Held, id: "org.example.held", name: "Held", version: "1",
        license: "MIT", capabilities: capability::REJECT);

    /// A caller that is in a filter, which answers when what is returned is dropped.
    fn inside(
        shared: &Arc<Shared>,
        heard: &Receiver<Told>,
    ) -> (SlotId, Sender<()>, thread::JoinHandle<()>) {
        let name = PluginName::new("held").unwrap();
        // SAFETY: a whole description that lives.
        let plugin = unsafe { crate::given::Plugin::new(&raw const HELD) }.unwrap();
        let settings = serde_json::json!({ "deadline_ms": 60_000 });
        let settings = Settings::read(settings.as_object().unwrap()).unwrap();
        shared.bring_static(&name, plugin, &settings).unwrap();
        let (inside, is_inside) = channel();
        let (release, released) = channel();
        *lock(&INSIDE) = Some((inside, released));
        let caller = start(heard);
        shared.put_asks(vec![login(1)]);
        is_inside.recv().unwrap();
        (
            shared.with(|desk| desk.find(&name).unwrap()),
            release,
            caller,
        )
    }

    fn next(heard: &Receiver<Told>) -> Told {
        heard.recv_timeout(Duration::from_secs(30)).unwrap()
    }

    #[test]
    fn a_thread_is_replaced_also_where_the_plugin_that_keeps_it_was_stopped() {
        let _turn = lock(&TURN);
        let (shared, heard) = shared(true);
        let (id, release, caller) = inside(&shared, &heard);
        shared.with(|desk| desk.trip(id, "as it was told".to_owned()));
        shared.start_clock().unwrap();
        assert!(matches!(next(&heard), Told::Replaced));
        let successor = start(&heard);
        drop(release);
        assert!(matches!(next(&heard), Told::Back));
        caller.join().unwrap();
        shared.with(|desk| {
            assert_eq!((desk.kept, desk.caller_in), (0, None));
            assert_eq!(desk.slots[&id].state, State::Tripped);
        });
        shared.close();
        successor.join().unwrap();
    }

    #[test]
    fn a_version_that_hangs_on_its_way_out_takes_nobody_with_it() {
        let _turn = lock(&TURN);
        let (shared, heard) = shared(true);
        let (id, release, caller) = inside(&shared, &heard);
        let old = shared.with(|desk| {
            let slot = desk.slots.get_mut(&id).unwrap();
            slot.settings.deadline = 5 * limits::TICK;
            let old = slot.seat.take().unwrap();
            desk.seats.get_mut(&old).unwrap().leaving = true;
            old
        });
        shared.start_clock().unwrap();
        assert!(matches!(next(&heard), Told::Replaced));
        let successor = start(&heard);
        while shared.with(|desk| desk.seats.contains_key(&old)) {
            thread::yield_now();
        }
        shared.with(|desk| assert_eq!(desk.slots[&id].state, State::Running));
        drop(release);
        assert!(matches!(next(&heard), Told::Back));
        caller.join().unwrap();
        shared.close();
        successor.join().unwrap();
    }

    #[test]
    fn a_thread_is_replaced_also_while_the_server_ends() {
        let _turn = lock(&TURN);
        let (shared, heard) = shared(true);
        let (_, release, caller) = inside(&shared, &heard);
        IS_GONE.store(false, Ordering::Release);
        // There is no clock.
        let closing = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.close()
        });
        assert!(matches!(next(&heard), Told::Replaced));
        let successor = start(&heard);
        drop(release);
        assert!(matches!(next(&heard), Told::Back));
        for thread in [caller, successor, closing] {
            thread.join().unwrap();
        }
        // It was told of its end, although it was busy when that began.
        assert!(IS_GONE.load(Ordering::Acquire));
        assert_eq!(lock(&shared.desk).kept, 0);
    }

    /// Answers at once, slowly, or later from another thread, by turns.
    struct Moody(usize);

    impl Plugin for Moody {
        fn init(setup: &mut Setup<'_, Self>) -> Result<Self, String> {
            setup.on(Hook::Login, 0, Self::login)?;
            Ok(Self(0))
        }
    }

    impl Moody {
        fn login(&mut self, event: &chat_plugin::Event<'_>) -> Verdict {
            self.0 += 1;
            match self.0 {
                n if n % 89 == 0 => thread::sleep(Duration::from_millis(2)),
                n if n % 7 == 0 => {
                    let deferred = event.defer().expect("a login can be deferred");
                    thread::spawn(move || deferred.resolve(&Verdict::Pass));
                    return Verdict::Defer;
                }
                _ => {}
            }
            Verdict::Pass
        }
    }

    static MOODY: abi::chat_plugin = declare!(Moody, id: "org.example.moody", name: "Moody",
        version: "1", license: "MIT", capabilities: 0);

    #[test]
    fn each_question_is_answered_once_over_many_reloads() {
        const ASKS: u64 = 4000;
        let (shared, heard) = shared(true);
        thread::spawn(move || {
            let tasks = heard.into_iter().map(|told| match told {
                Told::Spawned(task) => Some(thread::spawn(move || future::block_on(task))),
                _ => None,
            });
            tasks.flatten().for_each(drop);
        });
        shared.start_worker();
        shared.start_clock().unwrap();
        let bring = |shared: &Arc<Shared>| {
            let name = PluginName::new("moody").unwrap();
            // SAFETY: a whole description that lives.
            let plugin = unsafe { crate::given::Plugin::new(&raw const MOODY) }.unwrap();
            let settings = serde_json::json!({ "deadline_ms": 60_000 });
            let settings = Settings::read(settings.as_object().unwrap()).unwrap();
            shared.bring_static(&name, plugin, &settings).unwrap();
        };
        bring(&shared);
        let reloading = thread::spawn({
            let shared = Arc::clone(&shared);
            move || (0..40).for_each(|_| bring(&shared))
        });
        let mut verdicts = std::collections::BTreeMap::new();
        let mut asked = 0;
        let until = Instant::now() + Duration::from_secs(60);
        while (verdicts.len() as u64) < ASKS {
            if asked < ASKS && asked - (verdicts.len() as u64) < 256 {
                shared.put_asks((asked..asked + 16).map(login).collect());
                asked += 16;
            }
            for said in shared.take_out() {
                if let FromHooks::Verdict(ticket, verdict) = said {
                    assert_eq!(verdict, chat_engine::port::Verdict::Pass);
                    assert!(
                        verdicts.insert(ticket.0, verdict).is_none(),
                        "{ticket:?} twice"
                    );
                }
            }
            assert!(Instant::now() < until, "{} of {asked}", verdicts.len());
            thread::yield_now();
        }
        reloading.join().unwrap();
        let errors = shared.with(|desk| desk.slots.values().next().unwrap().stats.errors);
        assert_eq!(errors, 0);
        shared.close();
    }

    #[test]
    fn all_workers_end_with_the_server() {
        let (shared, _heard) = shared(true);
        for _ in 0..3 {
            shared.start_worker();
        }
        while shared.idle.load(Ordering::Acquire) < 3 {
            thread::yield_now();
        }
        shared.close();
        while shared.workers.load(Ordering::Acquire) > 0 {
            thread::yield_now();
        }
    }
}
