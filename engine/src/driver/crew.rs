//! Runs a server's tasks, on as many threads as poll it and as are worth waking.
//!
//! One member after the other: a second one is called when more tasks wait than the first can look
//! after soon, and not for each task, as waking a thread costs as much as running some of them. A member
//! that finds nothing to do waits at the sockets itself, so that what comes in is dealt with where it is
//! heard of.
//!
//! A member that a task keeps, since it called code that nobody knows, can be replaced: whoever sees it stuck
//! says so, and a spare thread works in its place until it is back.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Wake, Waker};
use std::thread::{self, Thread};

use async_task::{Runnable, Task};

use super::sockets::Sockets;
use crate::limits;

/// A queue of tasks, and the members that work it off.
#[derive(Debug)]
pub(crate) struct Crew {
    state: Mutex<State>,
    sockets: Arc<Sockets>,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Runnable>,
    /// Members that run tasks or were called to.
    awake: usize,
    /// Members that wait to be called; the last one has its data in the caches still.
    resting: Vec<(u64, Waker)>,
    /// The member that waits at the sockets, until it is called.
    watcher: Option<Watcher>,
    /// It is in the kernel, called or not. There is only one, or another could hear the bell in its place.
    in_kernel: bool,
    members: u64,
    /// Members that a task keeps; they don't count as awake.
    kept: usize,
    /// Threads that work in their place.
    spares: usize,
    is_over: bool,
}

#[derive(Debug)]
struct Watcher {
    member: u64,
    /// How it is called; `None` where it waits in the kernel.
    waker: Option<Waker>,
}

/// How a member is called.
enum Call {
    Bell,
    Wake(Waker),
}

impl Crew {
    pub(crate) fn new(sockets: Arc<Sockets>) -> Self {
        Self {
            state: Mutex::default(),
            sockets,
        }
    }

    /// Puts a task in. Dropping what is returned ends it.
    pub(crate) fn spawn<T: Send + 'static>(
        self: &Arc<Self>,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        let crew = Arc::clone(self);
        let schedule = move |runnable| crew.push(runnable);
        // A panic ends the thread that runs the task, and is seen: nobody waits for most tasks.
        let (runnable, task) = async_task::spawn(future, schedule);
        runnable.schedule();
        task
    }

    /// Works on this thread until [`stop`](Self::stop). Where there is nothing to do it waits in the kernel.
    pub(crate) fn work(self: &Arc<Self>) {
        self.work_as(Member::new(self, false));
    }

    fn work_as(self: &Arc<Self>, member: Member) {
        OWN_THREAD.set(true);
        self.work_until_over(member);
        OWN_THREAD.set(false);
    }

    fn work_until_over(&self, member: Member) {
        if !Sockets::CAN_WAIT {
            return async_io::block_on(Self::run_as(member));
        }
        let waker = Waker::from(Arc::new(Parked(thread::current())));
        let mut woken = Vec::new();
        loop {
            if member.run_some() {
                self.sockets.look(&mut woken);
                continue;
            }
            match member.rest(None, &waker) {
                Rest::Not => {}
                Rest::Over => return,
                Rest::Watch => self.sockets.wait(&mut woken, || member.come_back()),
                Rest::Park => {
                    while self.lock().is_resting(member.id) {
                        thread::park();
                    }
                }
            }
        }
    }

    /// Works while it is polled, until [`stop`](Self::stop).
    pub(crate) fn run(self: &Arc<Self>) -> impl Future<Output = ()> + Send + 'static {
        Self::run_as(Member::new(self, false))
    }

    fn run_as(member: Member) -> impl Future<Output = ()> + Send + 'static {
        let mut woken = Vec::new();
        poll_fn(move |cx| {
            member.get_up();
            let sockets = &member.crew.sockets;
            for _ in 0..LOOKS {
                if member.run_some() {
                    sockets.look(&mut woken);
                    continue;
                }
                match member.rest(Some(cx.waker()), cx.waker()) {
                    Rest::Not => {}
                    Rest::Over => return Poll::Ready(()),
                    Rest::Watch => {
                        if sockets.poll_wait(cx).is_pending() {
                            return Poll::Pending;
                        }
                        member.get_up();
                        sockets.look(&mut woken);
                    }
                    Rest::Park => return Poll::Pending,
                }
            }
            // Whoever polls this has others to poll, too.
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }

    /// Whether the calling thread is in [`work`](Self::work), so that a task may keep it.
    pub(crate) fn is_own_thread() -> bool {
        OWN_THREAD.get()
    }

    /// A task keeps a member for longer than others can wait: another thread works in its place until
    /// [`give_back`](Self::give_back).
    pub(crate) fn replace(self: &Arc<Self>) {
        let mut state = self.lock();
        state.kept += 1;
        state.awake = state.awake.saturating_sub(1);
        // One that is left from the last time will do.
        if state.spares >= state.kept {
            let call = state.call();
            self.make(call, state);
            return;
        }
        state.spares += 1;
        drop(state);
        let spare = Member::new(self, true);
        let crew = Arc::clone(self);
        let work = move || {
            let worked = catch_unwind(AssertUnwindSafe(|| crew.work_as(spare)));
            if worked.is_err() {
                // Nobody waits for this thread, so the others let it be seen.
                crew.stop();
            }
        };
        let started = thread::Builder::new()
            .name("chat-spare".to_owned())
            .spawn(work);
        if let Err(error) = started {
            tracing::error!(%error, "cannot start a thread in place of one that is kept");
            let mut state = self.lock();
            state.spares -= 1;
            let call = state.call();
            self.make(call, state);
        }
    }

    /// The member is back from that task.
    pub(crate) fn give_back(&self) {
        let mut state = self.lock();
        state.kept = state.kept.saturating_sub(1);
        state.awake += 1;
    }

    /// Nobody works any more.
    pub(crate) fn stop(&self) {
        let mut state = self.lock();
        state.is_over = true;
        let resting = std::mem::take(&mut state.resting);
        let watcher = state.watcher.take();
        state.awake += resting.len() + usize::from(watcher.is_some());
        let mut wakers: Vec<Waker> = resting.into_iter().map(|(_, waker)| waker).collect();
        match watcher.map(|watcher| watcher.waker) {
            Some(Some(waker)) => wakers.push(waker),
            Some(None) => self.sockets.ring(),
            None => {}
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn push(&self, runnable: Runnable) {
        let mut state = self.lock();
        state.ready.push_back(runnable);
        let is_enough = state.ready.len() <= limits::TASKS_PER_THREAD * state.awake;
        let call = if is_enough { None } else { state.call() };
        self.make(call, state);
    }

    fn make(&self, call: Option<Call>, state: MutexGuard<'_, State>) {
        match call {
            // Before anybody else looks: who was called knows that the bell was rung.
            Some(Call::Bell) => self.sockets.ring(),
            Some(Call::Wake(waker)) => {
                drop(state);
                waker.wake();
            }
            None => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Calls a member: the one at the sockets if nobody works, else rather one that would only wait.
    fn call(&mut self) -> Option<Call> {
        let watcher = |state: &mut Self| {
            let watcher = state.watcher.take()?;
            Some(watcher.waker.map_or(Call::Bell, Call::Wake))
        };
        let resting = |state: &mut Self| state.resting.pop().map(|(_, waker)| Call::Wake(waker));
        let call = if self.awake == 0 {
            watcher(self).or_else(|| resting(self))
        } else {
            resting(self).or_else(|| watcher(self))
        };
        self.awake += usize::from(call.is_some());
        call
    }

    /// A member that was called is counted already.
    fn get_up(&mut self, member: u64) {
        let before = self.resting.len();
        self.resting.retain(|(held, _)| *held != member);
        let is_watcher = |held: &Watcher| held.member == member;
        let watched = self.watcher.as_ref().is_some_and(is_watcher);
        if watched {
            self.watcher = None;
        }
        self.awake += usize::from(watched || self.resting.len() < before);
    }

    fn is_resting(&self, member: u64) -> bool {
        self.resting.iter().any(|(held, _)| *held == member)
    }
}

/// One that runs tasks.
struct Member {
    crew: Arc<Crew>,
    id: u64,
    /// It works in the place of another one.
    is_spare: bool,
}

enum Rest {
    /// There is something to do.
    Not,
    /// Nobody else waits at the sockets: wait there.
    Watch,
    /// Wait to be called.
    Park,
    Over,
}

impl Member {
    fn new(crew: &Arc<Crew>, is_spare: bool) -> Self {
        let mut state = crew.lock();
        state.members += 1;
        state.awake += 1;
        let id = state.members;
        drop(state);
        let crew = Arc::clone(crew);
        Self { crew, id, is_spare }
    }

    /// Runs tasks. `true` when it is time to look at the sockets before more of them.
    fn run_some(&self) -> bool {
        for _ in 0..limits::TASKS_PER_LOOK {
            let Some(runnable) = self.crew.lock().ready.pop_front() else {
                return false;
            };
            runnable.run();
        }
        true
    }

    /// Rests if there is nothing to do: at the sockets, called by `watching` or by the bell, or elsewhere,
    /// called by `parked`.
    fn rest(&self, watching: Option<&Waker>, parked: &Waker) -> Rest {
        let mut state = self.crew.lock();
        if state.is_over {
            return Rest::Over;
        }
        if !state.ready.is_empty() {
            return Rest::Not;
        }
        if self.is_spare && state.spares > state.kept {
            state.spares -= 1;
            return Rest::Over;
        }
        state.awake -= 1;
        if state.watcher.is_some() || state.in_kernel {
            state.resting.push((self.id, parked.clone()));
            return Rest::Park;
        }
        state.watcher = Some(Watcher {
            member: self.id,
            waker: watching.cloned(),
        });
        state.in_kernel = watching.is_none();
        Rest::Watch
    }

    /// Back from the kernel.
    fn come_back(&self) {
        let mut state = self.crew.lock();
        state.in_kernel = false;
        let is_watcher = |held: &Watcher| held.member == self.id;
        if state.watcher.as_ref().is_some_and(is_watcher) {
            state.get_up(self.id);
        } else {
            self.crew.sockets.hush();
        }
    }

    /// Works again, whether it was called or not.
    fn get_up(&self) {
        self.crew.lock().get_up(self.id);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut state = self.crew.lock();
        state.get_up(self.id);
        state.awake -= 1;
        // Whoever called this one meant anybody, and somebody has to be at the sockets.
        let is_left = !state.ready.is_empty() || state.watcher.is_none();
        let call = if is_left && state.awake == 0 {
            state.call()
        } else {
            None
        };
        self.crew.make(call, state);
    }
}

/// Calls a thread that is parked.
struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

thread_local! {
    /// Whether this thread works for a crew and for nobody else.
    static OWN_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// Looks at the sockets before a member that is polled lets others run.
const LOOKS: usize = 8;

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_lite::future::{block_on, poll_once, yield_now};

    use super::*;

    fn crew() -> Arc<Crew> {
        Arc::new(Crew::new(Arc::new(Sockets::new().unwrap())))
    }

    /// A token goes round between tasks: each hop is a wake, most of them while all members rest.
    fn pass_round(crew: &Arc<Crew>) {
        let (first, mut last) = async_channel::bounded(1);
        let (told, heard) = mpsc::channel();
        for _ in 0..100 {
            let (sender, next) = async_channel::bounded(1);
            let receiver = std::mem::replace(&mut last, next);
            let work = async move {
                while let Ok(number) = receiver.recv().await {
                    let _ = sender.send(number).await;
                }
            };
            crew.spawn(work).detach();
        }
        let ends = async move {
            while let Ok(number) = last.recv().await {
                let _ = told.send(number);
            }
        };
        crew.spawn(ends).detach();
        for number in 0..100 {
            first.send_blocking(number).unwrap();
            assert_eq!(heard.recv(), Ok(number));
        }
    }

    #[test]
    fn threads_that_wait_in_the_kernel_hear_of_every_task() {
        let crew = crew();
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let crew = Arc::clone(&crew);
                thread::spawn(move || crew.work())
            })
            .collect();
        pass_round(&crew);
        crew.stop();
        for thread in threads {
            thread.join().unwrap();
        }
    }

    #[test]
    fn members_that_are_polled_hear_of_every_task() {
        let crew = crew();
        let threads: Vec<_> = (0..3)
            .map(|_| {
                thread::spawn({
                    let run = crew.run();
                    move || block_on(run)
                })
            })
            .collect();
        pass_round(&crew);
        crew.stop();
        for thread in threads {
            thread.join().unwrap();
        }
    }

    #[test]
    fn a_thread_that_is_kept_is_replaced_until_it_is_back() {
        let crew = crew();
        let only = thread::spawn({
            let crew = Arc::clone(&crew);
            move || crew.work()
        });
        // More than once: a spare that is left over is used again, or leaves.
        for _ in 0..3 {
            let (told_where, heard_where) = mpsc::channel();
            let (release, released) = mpsc::channel::<()>();
            let keeps = {
                let crew = Arc::clone(&crew);
                async move {
                    told_where.send(Crew::is_own_thread()).unwrap();
                    released.recv().unwrap();
                    crew.give_back();
                }
            };
            let keeps = crew.spawn(keeps);
            assert_eq!(heard_where.recv(), Ok(true));
            crew.replace();
            pass_round(&crew);
            assert!(!keeps.is_finished());
            release.send(()).unwrap();
            block_on(keeps);
            pass_round(&crew);
            assert!(crew.lock().spares <= 1);
            assert_eq!(crew.lock().kept, 0);
        }
        crew.stop();
        only.join().unwrap();
        assert!(!Crew::is_own_thread());
    }

    /// Whether somebody waits at the sockets, or comes there when all have nothing to do.
    #[cfg(unix)]
    fn hears(crew: &Arc<Crew>) {
        use std::io::Write as _;
        use std::os::unix::net::UnixStream;

        use futures_lite::AsyncReadExt as _;

        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let mut reader = crew.sockets.reader(theirs).unwrap();
        let (told, heard) = mpsc::channel();
        let reads = async move {
            let mut byte = [0];
            while reader.read_exact(&mut byte).await.is_ok() {
                let _ = told.send(byte[0]);
            }
        };
        crew.spawn(reads).detach();
        for byte in 0..3 {
            ours.write_all(&[byte]).unwrap();
            assert_eq!(heard.recv(), Ok(byte));
        }
    }

    /// Tasks keep their threads for a moment each while others are passed round. A watchdog that is as quick as it
    /// can be has some of these threads replaced, often when they are about to be back.
    #[test]
    fn whoever_is_kept_and_replaced_is_counted_until_all_rest() {
        const WAITS: u8 = 0;
        const REPLACED: u8 = 1;
        const BACK: u8 = 2;
        for count in [1, 2] {
            let crew = crew();
            let threads: Vec<_> = (0..count)
                .map(|_| {
                    let crew = Arc::clone(&crew);
                    thread::spawn(move || crew.work())
                })
                .collect();
            let (kept, watched) = mpsc::channel::<Arc<Mutex<u8>>>();
            let watchdog = thread::spawn({
                let crew = Arc::clone(&crew);
                move || {
                    for place in watched {
                        thread::yield_now();
                        let mut place = place.lock().unwrap();
                        if *place == WAITS {
                            *place = REPLACED;
                            crew.replace();
                        }
                    }
                }
            });
            let keep = |turns: usize| {
                let (crew, kept) = (Arc::clone(&crew), kept.clone());
                async move {
                    for turn in 0..turns {
                        let place = Arc::new(Mutex::new(WAITS));
                        kept.send(Arc::clone(&place)).unwrap();
                        for _ in 0..turn % 8 {
                            thread::yield_now();
                        }
                        let before = std::mem::replace(&mut *place.lock().unwrap(), BACK);
                        if before == REPLACED {
                            crew.give_back();
                        }
                        yield_now().await;
                    }
                }
            };
            let keepers: Vec<_> = (0..3).map(|_| crew.spawn(keep(200))).collect();
            pass_round(&crew);
            keepers.into_iter().for_each(block_on);
            drop(kept);
            watchdog.join().unwrap();
            #[cfg(unix)]
            hears(&crew);
            pass_round(&crew);
            // All that are left, spares among them, wait: one of them at the sockets.
            let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
            loop {
                let state = crew.lock();
                let waits = state.resting.len() + usize::from(state.watcher.is_some());
                if state.awake == 0 && state.watcher.is_some() && waits == count + state.spares {
                    assert_eq!(state.kept, 0);
                    break;
                }
                assert!(std::time::Instant::now() < until, "{state:?}");
                drop(state);
                thread::yield_now();
            }
            crew.stop();
            for thread in threads {
                thread.join().unwrap();
            }
        }
    }

    #[test]
    fn a_panic_ends_the_thread_that_ran_the_task() {
        let crew = crew();
        crew.spawn(async { panic!("as it was told") }).detach();
        let thread = thread::spawn({
            let crew = Arc::clone(&crew);
            move || crew.work()
        });
        assert!(thread.join().is_err());
        // The others go on.
        let other = thread::spawn({
            let crew = Arc::clone(&crew);
            move || crew.work()
        });
        pass_round(&crew);
        crew.stop();
        other.join().unwrap();
    }

    #[test]
    fn a_panic_of_a_spare_thread_ends_the_others() {
        let crew = crew();
        let only = thread::spawn({
            let crew = Arc::clone(&crew);
            move || crew.work()
        });
        let (told, heard) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let keeps = {
            let crew = Arc::clone(&crew);
            async move {
                told.send(()).unwrap();
                let _ = released.recv();
                crew.give_back();
            }
        };
        crew.spawn(keeps).detach();
        heard.recv().unwrap();
        crew.replace();
        let is_over = {
            let crew = Arc::clone(&crew);
            crew.spawn(async { panic!("as it was told") }).detach();
            move || crew.lock().is_over
        };
        while !is_over() {
            thread::yield_now();
        }
        drop(release);
        only.join().unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_member_that_is_dropped_leaves_the_sockets_to_the_others() {
        let crew = crew();
        let mut gone = Box::pin(crew.run());
        assert!(block_on(poll_once(&mut gone)).is_none());
        assert!(crew.lock().watcher.is_some());
        let thread = thread::spawn({
            let crew = Arc::clone(&crew);
            move || crew.work()
        });
        while crew.lock().resting.is_empty() {
            thread::yield_now();
        }
        drop(gone);
        hears(&crew);
        crew.stop();
        thread.join().unwrap();
    }

    #[test]
    fn a_member_that_is_dropped_leaves_its_tasks_to_the_others() {
        let crew = crew();
        let mut gone = Box::pin(crew.run());
        assert!(block_on(poll_once(&mut gone)).is_none());
        // It rests, is called, and never comes.
        let task = crew.spawn(async { yield_now().await });
        drop(gone);
        let mut other = Box::pin(crew.run());
        assert!(block_on(poll_once(&mut other)).is_none());
        assert!(task.is_finished());
        let called = Arc::clone(&crew);
        let thread = thread::spawn(move || block_on(other));
        block_on(called.spawn(async {}));
        crew.stop();
        thread.join().unwrap();
    }
}
