//! Handles: numbers in a pointer's clothes. They are looked up and never followed, so that a stale one,
//! or one of another kind or another copy of the library, is an error and nothing worse.

use std::collections::VecDeque;
use std::ffi::c_void;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{
    Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard,
    RwLockWriteGuard,
};

use crate::api::client::chat_client;
use crate::api::event::chat_event;
use crate::api::server::chat_server;
use crate::client::Client;
use crate::event::Record;
use crate::guard::{Fault, Outcome, may_wait};
use crate::input::invalid;
use crate::limits;
use crate::server::Server;
use crate::status::{CHAT_BAD_HANDLE, CHAT_FULL, CHAT_INVALID, CHAT_MISUSE};

static CLIENTS: Table<Client> = Table::new(1, limits::HANDLES, "client");
static SERVERS: Table<Server> = Table::new(2, limits::HANDLES, "server");
static EVENTS: Table<EventEntry> = Table::new(3, limits::EVENT_HANDLES, "event");

/// A kind of object that has handles.
pub(crate) trait Handled: Sized + Send + Sync + 'static {
    /// What C calls it.
    type Opaque;
    fn table() -> &'static Table<Self>;
}

impl Handled for Client {
    type Opaque = chat_client;
    fn table() -> &'static Table<Self> {
        &CLIENTS
    }
}

impl Handled for Server {
    type Opaque = chat_server;
    fn table() -> &'static Table<Self> {
        &SERVERS
    }
}

impl Handled for EventEntry {
    type Opaque = chat_event;
    fn table() -> &'static Table<Self> {
        &EVENTS
    }
}

/// An event that somebody holds, or an item of one.
#[derive(Debug)]
pub(crate) struct EventEntry {
    record: Arc<Record>,
    /// It goes with its event.
    is_item: bool,
    /// Handles of its items, made when they are asked for.
    items: Mutex<Vec<Option<usize>>>,
}

impl EventEntry {
    fn new(record: Arc<Record>, is_item: bool) -> Self {
        let items = Mutex::new(Vec::new());
        Self {
            record,
            is_item,
            items,
        }
    }
}

impl Deref for EventEntry {
    type Target = Record;
    fn deref(&self) -> &Record {
        &self.record
    }
}

pub(crate) fn insert<T: Handled>(value: T) -> Outcome<*mut T::Opaque> {
    Ok(pointer(T::table().reserve()?.fill(value)))
}

pub(crate) fn client(client: *mut chat_client) -> Outcome<Held<Client>> {
    CLIENTS.find(client as usize)
}

pub(crate) fn server(server: *mut chat_server) -> Outcome<Held<Server>> {
    SERVERS.find(server as usize)
}

pub(crate) fn event(event: *const chat_event) -> Outcome<Held<EventEntry>> {
    EVENTS.find(event as usize)
}

/// A place for an event that is about to be taken: without one it would be lost.
pub(crate) fn reserve_event() -> Outcome<Reserved<EventEntry>> {
    EVENTS.reserve()
}

impl Reserved<EventEntry> {
    pub(crate) fn event(self, record: Record) -> *mut chat_event {
        pointer(self.fill(EventEntry::new(Arc::new(record), false)))
    }
}

/// The handle of an item.
pub(crate) fn item(event: *const chat_event, index: u32) -> Outcome<*const chat_event> {
    let event = EVENTS.find(event as usize)?;
    let index = index as usize;
    let Some(record) = event.record.item(index) else {
        return Err(invalid("the list has no such item"));
    };
    let mut items = lock(&event.items);
    if items.len() <= index {
        items.resize(index + 1, None);
    }
    let Some(place) = items.get_mut(index) else {
        return Err(Fault::of(CHAT_INVALID));
    };
    let handle = match *place {
        Some(handle) => handle,
        None => EVENTS.reserve()?.fill(EventEntry::new(record, true)),
    };
    *place = Some(handle);
    Ok(pointer::<chat_event>(handle).cast_const())
}

pub(crate) fn free_event(event: *mut chat_event) -> Outcome<()> {
    if event.is_null() {
        return Ok(());
    }
    if EVENTS.find(event as usize)?.is_item {
        return Err(Fault::new(CHAT_MISUSE, "an item goes with its event"));
    }
    let entry = EVENTS.remove(event as usize)?;
    entry.wait_unused();
    free_items(&entry.value);
    Ok(())
}

fn free_items(event: &EventEntry) {
    for handle in std::mem::take(&mut *lock(&event.items))
        .into_iter()
        .flatten()
    {
        if let Ok(item) = EVENTS.remove(handle) {
            item.wait_unused();
            free_items(&item.value);
        }
    }
}

pub(crate) fn free_client(client: *mut chat_client) -> Outcome<()> {
    if client.is_null() {
        return Ok(());
    }
    may_wait("freeing a client")?;
    let entry = CLIENTS.remove(client as usize)?;
    entry.value.shut();
    entry.wait_unused();
    Ok(())
}

pub(crate) fn free_server(server: *mut chat_server) -> Outcome<()> {
    if server.is_null() {
        return Ok(());
    }
    may_wait("freeing a server")?;
    let entry = SERVERS.remove(server as usize)?;
    entry.value.shut();
    entry.wait_unused();
    Ok(())
}

fn pointer<O>(handle: usize) -> *mut O {
    // It is never followed, so that it needs no provenance.
    std::ptr::without_provenance_mut::<c_void>(handle).cast()
}

/// All objects of one kind.
#[derive(Debug)]
pub(crate) struct Table<T> {
    kind: usize,
    most: usize,
    name: &'static str,
    slots: RwLock<Slots<T>>,
}

#[derive(Debug)]
struct Slots<T> {
    slots: Vec<Slot<T>>,
    /// Oldest first: the longer a place rests, the surer a stale handle is noticed.
    idle: VecDeque<usize>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: usize,
    entry: Option<Arc<Entry<T>>>,
}

#[derive(Debug)]
pub(crate) struct Entry<T> {
    value: T,
    /// Calls that are looking at it.
    users: AtomicUsize,
    left: Mutex<()>,
    changed: Condvar,
}

/// An object that a call looks at. Who frees it waits until the call is through.
#[derive(Debug)]
pub(crate) struct Held<T>(Arc<Entry<T>>);

/// A place that is taken and not filled so far.
#[derive(Debug)]
pub(crate) struct Reserved<T: 'static> {
    table: &'static Table<T>,
    index: Option<usize>,
}

impl<T> Table<T> {
    const fn new(kind: usize, most: usize, name: &'static str) -> Self {
        Self {
            kind,
            most,
            name,
            slots: RwLock::new(Slots {
                slots: Vec::new(),
                idle: VecDeque::new(),
            }),
        }
    }

    fn reserve(&'static self) -> Outcome<Reserved<T>> {
        let mut slots = self.write();
        let fresh = slots.slots.len() < self.most.min(1 << INDEX_BITS);
        let index = match slots.idle.len() {
            0 if !fresh => {
                let text = format!("there are too many {}s: free some", self.name);
                return Err(Fault::new(CHAT_FULL, text));
            }
            idle if !fresh || idle >= limits::IDLE_SLOTS => slots.idle.pop_front(),
            _ => None,
        };
        let index = index.unwrap_or_else(|| {
            slots.slots.push(Slot {
                generation: 1,
                entry: None,
            });
            slots.slots.len() - 1
        });
        Ok(Reserved {
            table: self,
            index: Some(index),
        })
    }

    fn find(&self, handle: usize) -> Outcome<Held<T>> {
        let (index, generation) = self.parts(handle)?;
        let slots = self.read();
        match slots.slots.get(index) {
            Some(Slot {
                generation: now,
                entry: Some(entry),
            }) if *now == generation => {
                entry.users.fetch_add(1, Ordering::Relaxed);
                Ok(Held(Arc::clone(entry)))
            }
            _ => Err(self.bad("was freed")),
        }
    }

    fn remove(&self, handle: usize) -> Outcome<Arc<Entry<T>>> {
        let (index, generation) = self.parts(handle)?;
        let mut slots = self.write();
        let slot = slots.slots.get_mut(index);
        let slot = slot.filter(|slot| slot.generation == generation);
        let entry = slot.and_then(|slot| slot.entry.take().inspect(|_| slot.advance()));
        match entry {
            Some(entry) => {
                slots.idle.push_back(index);
                Ok(entry)
            }
            None => Err(self.bad("was freed before")),
        }
    }

    /// Takes a handle apart: salt and kind must be ours.
    fn parts(&self, handle: usize) -> Outcome<(usize, usize)> {
        let index = handle & mask(INDEX_BITS);
        let generation = handle >> INDEX_BITS & mask(GENERATION_BITS);
        if handle == 0 {
            return Err(self.bad("is NULL"));
        }
        if handle != self.handle(index, generation) {
            return Err(self.bad("is none, or of another kind"));
        }
        Ok((index, generation))
    }

    fn handle(&self, index: usize, generation: usize) -> usize {
        self.kind << (INDEX_BITS + GENERATION_BITS + SALT_BITS)
            | salt() << (INDEX_BITS + GENERATION_BITS)
            | generation << INDEX_BITS
            | index
    }

    fn bad(&self, how: &str) -> Fault {
        Fault::new(
            CHAT_BAD_HANDLE,
            format!("the handle of the {} {how}", self.name),
        )
    }

    fn read(&self) -> RwLockReadGuard<'_, Slots<T>> {
        self.slots.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Slots<T>> {
        self.slots.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Slot<T> {
    fn advance(&mut self) {
        // 0 would let a handle be NULL.
        self.generation = (self.generation % mask(GENERATION_BITS)) + 1;
    }
}

impl<T> Reserved<T> {
    fn fill(mut self, value: T) -> usize {
        let Some(index) = self.index.take() else {
            return 0;
        };
        let mut slots = self.table.write();
        let Some(slot) = slots.slots.get_mut(index) else {
            return 0;
        };
        slot.entry = Some(Arc::new(Entry {
            value,
            users: AtomicUsize::new(0),
            left: Mutex::new(()),
            changed: Condvar::new(),
        }));
        let generation = slot.generation;
        self.table.handle(index, generation)
    }
}

impl<T> Drop for Reserved<T> {
    fn drop(&mut self) {
        if let Some(index) = self.index {
            self.table.write().idle.push_back(index);
        }
    }
}

impl<T> Entry<T> {
    /// Waits until no call looks at it any more. There are no new ones: it is out of its table.
    fn wait_unused(&self) {
        let mut left = lock(&self.left);
        while self.users.load(Ordering::Acquire) > 0 {
            left = self
                .changed
                .wait(left)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T> Deref for Held<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        if self.0.users.fetch_sub(1, Ordering::AcqRel) == 1 {
            // Who waits looked at the number under this lock, or will.
            drop(lock(&self.0.left));
            self.0.changed.notify_all();
        }
    }
}

/// Differs from one copy of the library to the next, so that they don't take each other's handles.
fn salt() -> usize {
    static SALT: OnceLock<usize> = OnceLock::new();
    *SALT.get_or_init(|| {
        let mut bytes = [0; 8];
        // Without randomness the kinds and generations still tell most mistakes.
        let _ = getrandom::fill(&mut bytes);
        usize::from_ne_bytes(std::array::from_fn(|at| bytes[at])) & mask(SALT_BITS)
    })
}

const fn mask(bits: u32) -> usize {
    (1 << bits) - 1
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// The kind stands in the three highest bits and is neither 0 nor 7: no system gives such addresses out,
// so that who follows a handle all the same crashes at once.
#[cfg(target_pointer_width = "64")]
const INDEX_BITS: u32 = 24;
#[cfg(target_pointer_width = "64")]
const GENERATION_BITS: u32 = 24;
#[cfg(target_pointer_width = "64")]
const SALT_BITS: u32 = 13;
#[cfg(not(target_pointer_width = "64"))]
const INDEX_BITS: u32 = 16;
#[cfg(not(target_pointer_width = "64"))]
const GENERATION_BITS: u32 = 9;
#[cfg(not(target_pointer_width = "64"))]
const SALT_BITS: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    static NUMBERS: Table<u32> = Table::new(5, 4, "number");
    static OTHERS: Table<u32> = Table::new(6, 4, "other");

    #[test]
    fn stale_foreign_and_made_up_handles_are_errors() {
        let handle = NUMBERS.reserve().unwrap().fill(7);
        assert_eq!(*NUMBERS.find(handle).unwrap(), 7);
        for wrong in [
            0,
            1,
            7,
            handle ^ 1 << 30,
            handle ^ 1 << 50,
            handle + 1,
            usize::MAX,
        ] {
            assert_eq!(NUMBERS.find(wrong).unwrap_err().status, CHAT_BAD_HANDLE);
        }
        assert_eq!(OTHERS.find(handle).unwrap_err().status, CHAT_BAD_HANDLE);
        NUMBERS.remove(handle).unwrap();
        assert!(NUMBERS.remove(handle).is_err());
        // Whatever takes its place has another handle.
        for number in 0..10 {
            let next = NUMBERS.reserve().unwrap().fill(number);
            assert_ne!(next, handle);
            assert!(NUMBERS.find(handle).is_err());
            NUMBERS.remove(next).unwrap();
        }
        let four: Vec<_> = (0..4).map(|_| NUMBERS.reserve().unwrap()).collect();
        assert_eq!(NUMBERS.reserve().unwrap_err().status, CHAT_FULL);
        drop(four);
        NUMBERS.reserve().unwrap();
    }
}
