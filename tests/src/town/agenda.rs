//! What will happen, in the order of time.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use chat_engine::Time;

/// Things to come. Those of one moment come in the order in which they were put in.
#[derive(Debug)]
pub(super) struct Agenda<T> {
    heap: BinaryHeap<Reverse<Slot<T>>>,
    number: u64,
}

#[derive(Debug)]
struct Slot<T> {
    time: Time,
    number: u64,
    item: T,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self {
            heap: BinaryHeap::new(),
            number: 0,
        }
    }
}

impl<T> Agenda<T> {
    pub(super) fn put(&mut self, time: Time, item: T) {
        let number = self.number;
        self.number += 1;
        self.heap.push(Reverse(Slot { time, number, item }));
    }

    pub(super) fn next_time(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse(slot)| slot.time)
    }

    pub(super) fn take(&mut self) -> Option<(Time, T)> {
        self.heap.pop().map(|Reverse(slot)| (slot.time, slot.item))
    }
}

impl<T> Ord for Slot<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.time, self.number).cmp(&(other.time, other.number))
    }
}

impl<T> PartialOrd for Slot<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Slot<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Slot<T> {}
