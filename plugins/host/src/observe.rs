//! Observers of entries: cursors into the log.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use chat_engine::port::{LogPage, LogView};
use chat_plugin_abi as abi;
use event_listener::listener;
use futures_lite::FutureExt;

use crate::ask::observed;
use crate::desk::Desk;
use crate::disk::Chore;
use crate::limits;
use crate::shared::Shared;
use crate::slot::{Slot, SlotId, State, What};

/// Reads the log for all observers until the host is closed.
pub(crate) async fn run(shared: Arc<Shared>, log: LogView) {
    loop {
        listener!(shared.tail => grown);
        listener!(shared.urgent => urgent);
        let tails = shared.tails.load(Ordering::Acquire);
        let (closing, wants) = shared.with(|desk| (desk.closing, wants(desk, tails)));
        if closing {
            return;
        }
        let mut read = false;
        for want in wants {
            match feed(&shared, &log, want, tails).await {
                Ok(more) => read |= more,
                Err(fault) => {
                    tracing::warn!(%fault, "observers can't read the log; trying again later");
                    async_io::Timer::after(limits::SAVE_EVERY).await;
                    read = true;
                }
            }
        }
        if !read {
            // What comes in quick succession is read at once: an observer may lag by a moment, and each
            // look at the log has its price. One that begins, or is behind and ready for more, does not wait.
            let more = async {
                grown.await;
                async_io::Timer::after(limits::LAG).await;
            };
            more.or(urgent).await;
        }
    }
}

impl Shared {
    /// Waits until all new observers know where they begin: what is said after that they see.
    pub(crate) async fn have_begun(&self) {
        let begun = async {
            loop {
                listener!(self.begun => more);
                let begins = |slot: &Slot| slot.begins && slot.state == State::Running;
                if self.with(|desk| desk.closing || !desk.slots.values().any(begins)) {
                    return;
                }
                more.await;
            }
        };
        let late = async {
            async_io::Timer::after(limits::LOAD_WAIT).await;
        };
        begun.or(late).await;
    }
}

#[derive(Debug)]
struct Want {
    slot: SlotId,
    /// `None`: the end of the log is where it begins.
    after: Option<u64>,
    run: Option<u64>,
    room: usize,
}

/// Who may have something to read.
fn wants(desk: &Desk, tails: u64) -> Vec<Want> {
    let slots = desk.slots.iter();
    slots
        .filter_map(|(id, slot)| {
            let observer = slot.observer.as_ref()?;
            let ready =
                slot.state == State::Running && slot.seat.is_some() && slot.coming.is_none();
            let room = limits::OBSERVED.saturating_sub(observer.open.len());
            let behind = observer.run.is_none() || observer.tails < tails;
            (ready && behind && !observer.is_full()).then_some(Want {
                slot: *id,
                after: observer.run.map(|_| observer.sent),
                run: observer.run,
                room,
            })
        })
        .collect()
}

/// Shows an observer what comes next. Says whether there is more.
async fn feed(
    shared: &Arc<Shared>,
    log: &LogView,
    want: Want,
    tails: u64,
) -> Result<bool, chat_engine::port::Fault> {
    let Some(after) = want.after else {
        let (run, end) = log.end().await?;
        shared.with(|desk| {
            let Some(slot) = desk.slots.get_mut(&want.slot) else {
                return;
            };
            let Some(observer) = slot.observer.as_mut() else {
                return;
            };
            observer.run = Some(run);
            observer.pos = end;
            observer.sent = end;
            observer.end = end;
            observer.tails = tails;
            // A server that starts again after a crash would take the end of its log then for where this
            // one begins.
            begin(desk, want.slot);
            if let Some(slot) = desk.slots.get_mut(&want.slot)
                && std::mem::take(&mut slot.begins)
            {
                slot.tell_loaded(&slot.about);
            }
        });
        shared.begun.notify(usize::MAX);
        return Ok(true);
    };
    let page = log.since(after, want.room, limits::OBSERVED_BYTES).await?;
    Ok(shared.with(|desk| show(desk, &want, after, &page, tails)))
}

fn show(desk: &mut Desk, want: &Want, after: u64, page: &LogPage, tails: u64) -> bool {
    let Some(slot) = desk.slots.get_mut(&want.slot) else {
        return false;
    };
    let own = slot.name.account().clone();
    let direct = slot.capabilities() & abi::CHAT_CAP_READ_DIRECT != 0;
    let Some(observer) = slot.observer.as_mut() else {
        return false;
    };
    if want.run != Some(page.run) {
        // The log is another one: a backup was restored, or a memory store began anew. Nothing of it
        // counts as seen, and some of it may have been.
        tracing::warn!(
            plugin = slot.name.as_str(),
            "the log was replaced; showing it from its beginning"
        );
        observer.run = Some(page.run);
        observer.pos = 0;
        observer.sent = 0;
        observer.open.clear();
        observer.again = page.end;
        observer.changed = true;
        return true;
    }
    if !observer.begun {
        observer.again = observer.again.min(page.end);
        // A server that starts again after a crash would not know that this one has seen something since.
        begin(desk, want.slot);
        return true;
    }
    if observer.sent != after {
        // It was rewound meanwhile.
        return true;
    }
    observer.end = page.end;
    let mut calls = Vec::new();
    for item in &page.items {
        // Its own entries, and what it may not see, it passes over.
        let shown = item.entry.from_name != own && (direct || item.room.is_some());
        observer.open.push_back((item.pos, !shown));
        if shown {
            let again = item.pos <= observer.again;
            let shown = Arc::new(observed(item, again));
            calls.push(What::Observe {
                pos: item.pos,
                shown,
            });
        }
    }
    observer.sent = page.next.max(after);
    if observer.sent > after && page.items.last().is_none_or(|item| item.pos < page.next) {
        // What retention cut behind the last one.
        observer.open.push_back((page.next, true));
    }
    // Those that begin the stretch may be done with already.
    observer.settle();
    let done = observer.sent >= page.end;
    if done {
        observer.tails = tails;
    }
    for what in calls {
        if !desk.call(want.slot, what) {
            if let Some(observer) = desk.observer(want.slot) {
                observer.rewind();
            }
            return false;
        }
    }
    !done
}

/// Has the disk say that an observer is at work, before it is shown anything.
fn begin(desk: &mut Desk, id: SlotId) {
    let Some(slot) = desk.slots.get_mut(&id) else {
        return;
    };
    if let Some(observer) = slot.observer.as_mut() {
        observer.begun = true;
        observer.changed = true;
    }
    let changes = slot.take_changes(false);
    desk.chores.push(Chore::Write(changes));
}
