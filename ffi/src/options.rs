//! Structs that begin with their size, so that programs and libraries of different age understand each
//! other.

use std::ffi::{CStr, c_char};
use std::mem::{MaybeUninit, align_of, size_of};

use chat_engine::{SendId, Seq};

use crate::api::client::{CHAT_TRUST_ASK, chat_client_options};
use crate::api::server::{CHAT_REGISTRATION_INVITE, chat_server_options, chat_server_stats};
use crate::api::verbs::messages::chat_send_options;
use crate::guard::{Fault, Outcome};
use crate::input::{self, invalid};
use crate::limits;
use crate::status::CHAT_BAD_OPTIONS;

/// A struct of plain integers and pointers that begins with its size.
///
/// # Safety
///
/// It is `repr(C)`, its first field is a `u32` with its size, it has no padding, and every bit pattern
/// is valid.
pub(crate) unsafe trait Sized32: Copy {
    /// What its fields are when nobody sets them.
    fn defaults() -> Self;
}

// SAFETY: integers and pointers, pinned by the assertions below.
unsafe impl Sized32 for chat_client_options {
    fn defaults() -> Self {
        Self {
            size: size_of::<Self>() as u32,
            trust: CHAT_TRUST_ASK,
            address: NONE,
            account: NONE,
            password: NONE,
            invite: NONE,
            fingerprint: NONE,
            profile: NONE,
            known_hosts: NONE,
            device: NONE,
            server: std::ptr::null_mut(),
            register_account: 0,
            reconnect: 1,
            patient: 0,
            longest_pause_ms: 0,
            request_timeout_ms: 0,
            reserved: 0,
        }
    }
}

// SAFETY: as above.
unsafe impl Sized32 for chat_send_options {
    fn defaults() -> Self {
        Self {
            size: size_of::<Self>() as u32,
            send_id_len: 0,
            send_id: std::ptr::null(),
            reply_to: 0,
            label: NONE,
        }
    }
}

// SAFETY: as above.
unsafe impl Sized32 for chat_server_options {
    fn defaults() -> Self {
        Self {
            size: size_of::<Self>() as u32,
            registration: CHAT_REGISTRATION_INVITE,
            listen: std::ptr::null(),
            listen_count: 0,
            streams: 0,
            data: NONE,
            lobby: LOBBY.as_ptr(),
            retention_seconds: 0,
            retention_entries: 0,
        }
    }
}

// SAFETY: as above.
unsafe impl Sized32 for chat_server_stats {
    fn defaults() -> Self {
        Self {
            size: size_of::<Self>() as u32,
            reserved: 0,
            accounts: 0,
            rooms: 0,
            links: 0,
            entries: 0,
        }
    }
}

/// What a struct is when nobody sets anything.
pub(crate) fn defaults<T: Sized32>() -> T {
    T::defaults()
}

/// Fills a struct with its defaults; what this version does not know of it with zeros.
///
/// # Safety
///
/// A non-NULL `out` has `size` bytes that may be written.
pub(crate) unsafe fn init<T: Sized32>(out: *mut T, size: u32) -> Outcome<()> {
    if out.is_null() {
        return Err(invalid("the options are NULL"));
    }
    let length = check_size::<T>(size)?;
    let known = length.min(size_of::<T>());
    let defaults = T::defaults();
    let (out, defaults) = (out.cast::<u8>(), (&raw const defaults).cast::<u8>());
    // SAFETY: `out` has `size` bytes and `defaults` the known ones; the first four of both are the size.
    unsafe {
        out.write_bytes(0, length);
        out.copy_from_nonoverlapping(defaults, known);
        out.cast::<u32>().write_unaligned(size);
    }
    Ok(())
}

/// Reads a struct: fields that the caller does not know have their defaults, and those that this version
/// does not know must be zero.
///
/// # Safety
///
/// A non-NULL `options` has the bytes that its `size` says.
pub(crate) unsafe fn read<T: Sized32>(options: *const T) -> Outcome<T> {
    if options.is_null() {
        return Err(invalid("the options are NULL"));
    }
    // SAFETY: the size is the first field.
    let size = unsafe { options.cast::<u32>().read_unaligned() };
    let length = check_size::<T>(size)?;
    let known = length.min(size_of::<T>());
    // SAFETY: the caller promises `size` bytes.
    let bytes = unsafe { std::slice::from_raw_parts(options.cast::<u8>(), length) };
    if bytes.iter().skip(known).any(|byte| *byte != 0) {
        return Err(Fault::new(
            CHAT_BAD_OPTIONS,
            "the options say something that this version of the library does not know; update it",
        ));
    }
    let mut read = MaybeUninit::new(T::defaults());
    let place = read.as_mut_ptr().cast::<u8>();
    // SAFETY: the known bytes fit; whatever they are, they are a valid struct.
    unsafe {
        place.copy_from_nonoverlapping(bytes.as_ptr(), known);
        Ok(read.assume_init())
    }
}

/// The same; NULL stands for the defaults.
///
/// # Safety
///
/// As [`read`].
pub(crate) unsafe fn read_or_default<T: Sized32>(options: *const T) -> Outcome<T> {
    match options.is_null() {
        true => Ok(T::defaults()),
        // SAFETY: as the caller promises.
        false => unsafe { read(options) },
    }
}

/// Writes the fields of a struct that the caller knows.
///
/// # Safety
///
/// A non-NULL `out` has the bytes that its `size` says, and they may be written.
pub(crate) unsafe fn write<T: Sized32>(
    out: *mut T,
    make: impl FnOnce() -> Outcome<T>,
) -> Outcome<()> {
    // SAFETY: as the caller promises.
    unsafe { read(out.cast_const()) }?;
    // SAFETY: the size is the first field.
    let size = unsafe { out.cast::<u32>().read_unaligned() };
    let known = (size as usize).min(size_of::<T>());
    let made = make()?;
    let made = (&raw const made).cast::<u8>();
    // SAFETY: both have the known bytes; the size stays the caller's.
    unsafe {
        out.cast::<u8>()
            .add(size_of::<u32>())
            .copy_from_nonoverlapping(made.add(size_of::<u32>()), known - size_of::<u32>());
    }
    Ok(())
}

/// What a send is given beyond its text.
#[derive(Clone, Debug, Default)]
pub(crate) struct SendOptions {
    pub(crate) id: Option<SendId>,
    pub(crate) label: String,
    reply_to: Option<Seq>,
}

impl SendOptions {
    pub(crate) fn reply_to(&self) -> Option<Seq> {
        self.reply_to
    }
}

/// Reads the options of a send; NULL stands for none.
///
/// # Safety
///
/// As [`read`], and the strings in it end with NUL, and `send_id` has `send_id_len` bytes.
pub(crate) unsafe fn read_send(options: *const chat_send_options) -> Outcome<SendOptions> {
    // SAFETY: as the caller promises.
    let options = unsafe { read_or_default(options) }?;
    let id = match (options.send_id.is_null(), options.send_id_len) {
        (true, 0) => None,
        // SAFETY: as the caller promises.
        _ => Some(unsafe { input::send_id(options.send_id, options.send_id_len as usize) }?),
    };
    // SAFETY: as the caller promises.
    let label = unsafe { input::text_if(options.label, chat_engine::limits::LABEL_BYTES) }?;
    let reply_to = match options.reply_to {
        0 => None,
        seq => Some(input::seq(seq)?),
    };
    Ok(SendOptions {
        id,
        label: label.unwrap_or_default().to_owned(),
        reply_to,
    })
}

fn check_size<T>(size: u32) -> Outcome<usize> {
    let length = size as usize;
    let whole = length.is_multiple_of(align_of::<T>());
    if !(8..=limits::OPTIONS_BYTES).contains(&size) || !whole {
        return Err(Fault::new(
            CHAT_BAD_OPTIONS,
            format!("{size} is no size of these options; fill them with their init function"),
        ));
    }
    Ok(length)
}

const NONE: *const c_char = std::ptr::null();
const LOBBY: &CStr = c"lobby";

// No padding, and no field that moves: a change here breaks compiled programs.
const POINTER: usize = size_of::<usize>();
const _: () = assert!(size_of::<chat_client_options>() == 8 * 4 + 9 * POINTER);
const _: () = assert!(size_of::<chat_send_options>() == 8 + 8 + 2 * POINTER);
const _: () = assert!(size_of::<chat_server_options>() == 8 + 8 + 16 + 3 * POINTER);
const _: () = assert!(size_of::<chat_server_stats>() == 8 + 4 * 8);

#[cfg(test)]
mod tests {
    use super::*;

    /// Options of a later version: one more field.
    #[repr(C)]
    struct Later {
        today: chat_send_options,
        more: u64,
    }

    #[test]
    fn younger_and_older_callers_are_understood() {
        let mut later = Later {
            today: chat_send_options::defaults(),
            more: 1,
        };
        let size = size_of::<Later>() as u32;
        // SAFETY: a `Later` begins with the options and has `size` bytes.
        unsafe {
            init((&raw mut later).cast::<chat_send_options>(), size).unwrap();
            assert_eq!((later.today.size, later.more), (size, 0));
            read_send((&raw const later).cast::<chat_send_options>()).unwrap();
            later.more = 1;
            let options = (&raw const later).cast::<chat_send_options>();
            assert_eq!(read_send(options).unwrap_err().status, CHAT_BAD_OPTIONS);
        }
        let mut older = chat_send_options::defaults();
        older.reply_to = 5;
        older.size = 8;
        // SAFETY: the struct has more than 8 bytes.
        let read = unsafe { read_send(&raw const older) }.unwrap();
        assert_eq!(read.reply_to(), None);
        for size in [0, 7, 12, limits::OPTIONS_BYTES + 8] {
            older.size = size;
            // SAFETY: a bad size is refused before anything is read.
            let read = unsafe { read_send(&raw const older) };
            assert_eq!(read.unwrap_err().status, CHAT_BAD_OPTIONS);
        }
    }
}
