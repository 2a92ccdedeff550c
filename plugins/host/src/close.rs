//! The end: everybody is told, and who comes soon is waited for.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use crate::disk::Chore;
use crate::instance::lock;
use crate::launch::Process;
use crate::limits;
use crate::shared::Shared;
use crate::slot::{Local, Place, Seat, SeatId};

impl Shared {
    pub(crate) fn is_closing(&self) -> bool {
        lock(&self.desk).closing
    }

    pub(crate) fn close(self: &Arc<Self>) {
        let mut desk = lock(&self.desk);
        desk.closing = true;
        let mut processes: HashMap<SeatId, Arc<Process>> = HashMap::new();
        for (id, seat) in &desk.seats {
            if let Place::Helper(process) = &seat.place {
                processes.insert(*id, Arc::clone(process));
            }
        }
        // The clock ends. A call that does not come back must not keep the thread that is to end the server.
        if let Some((seat, _)) = desk.caller_in {
            self.replace_caller(&mut desk, seat);
        }
        for seat in desk.seats.values_mut() {
            seat.pack();
        }
        drop(desk);
        lock(&self.inbox).is_over = true;
        self.call_caller();
        self.work.notify_all();
        self.clock.notify_all();
        self.urgent.notify(usize::MAX);
        self.begun.notify(usize::MAX);
        self.said.notify(usize::MAX);
        // What it has written must not come after what is written here.
        if let Some(clock) = lock(&self.clock_thread).take() {
            let _ = clock.join();
        }
        for process in processes.values() {
            process.put(|out| crate::frame::Down::Stop.write(out));
            process.flush();
        }
        let until = Instant::now() + limits::STOP_WAIT;
        for local in self.idle_locals(until) {
            if let Some(instance) = lock(&local.instance).take() {
                instance.destroy();
            }
        }
        for process in processes.values() {
            if process.ended_by(until).is_none() {
                process.kill();
            }
        }
        // What they kept at their end counts: their readers take themselves away when they have read it.
        let desk = lock(&self.desk);
        let (mut desk, _) = self
            .clock
            .wait_timeout_while(desk, limits::STOP_WAIT, |desk| {
                desk.seats.keys().any(|id| processes.contains_key(id))
            })
            .unwrap_or_else(PoisonError::into_inner);
        let changes = desk.take_changes(true);
        self.disk.line_up([Chore::Write(changes)]);
        desk.slots.clear();
        desk.seats.clear();
        drop(desk);
        self.disk.work();
        self.disk.forget_suspects();
        // A thread that is stuck in a plugin may hold the rest for ever.
        self.disk.end();
    }

    /// Instances in this process that no thread is in. One that is about to come out is waited for.
    fn idle_locals(&self, until: Instant) -> Vec<Arc<Local>> {
        let is_busy = |seat: &Seat| seat.busy && matches!(seat.place, Place::Local(_));
        let left = until.saturating_duration_since(Instant::now());
        let (desk, _) = self
            .clock
            .wait_timeout_while(lock(&self.desk), left, |desk| {
                desk.seats.values().any(is_busy)
            })
            .unwrap_or_else(PoisonError::into_inner);
        let idle = desk.seats.values().filter(|seat| !seat.busy);
        idle.filter_map(|seat| match &seat.place {
            Place::Local(local) => Some(Arc::clone(local)),
            Place::Helper(_) => None,
        })
        .collect()
    }
}
