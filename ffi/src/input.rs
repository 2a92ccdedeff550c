//! What comes in: checked before it is believed, copied before the call returns.

use std::ffi::{CString, c_char};
use std::path::PathBuf;

use chat_engine::{
    AccountName, BlobId, History, HistoryFrom, PresenceState, Registration, Rights, Role, RoomName,
    SendId, Seq, Target,
};

use crate::api::server::admin::{CHAT_RIGHTS_ADMIN, CHAT_RIGHTS_USER, chat_rights};
use crate::api::server::{
    CHAT_REGISTRATION_CLOSED, CHAT_REGISTRATION_INVITE, CHAT_REGISTRATION_OPEN, chat_registration,
};
use crate::api::verbs::log::{
    CHAT_HISTORY_AFTER, CHAT_HISTORY_AROUND, CHAT_HISTORY_BEFORE, CHAT_HISTORY_END,
    chat_history_from,
};
use crate::api::verbs::messages::{CHAT_PRESENCE_AWAY, CHAT_PRESENCE_ONLINE, chat_presence};
use crate::api::verbs::rooms::{
    CHAT_HISTORY_ALL, CHAT_HISTORY_DEFAULT, CHAT_HISTORY_SINCE_JOIN, CHAT_ROLE_MEMBER,
    CHAT_ROLE_MODERATOR, CHAT_ROLE_OWNER, chat_history, chat_role,
};
use crate::guard::{Fault, Outcome};
use crate::limits;
use crate::status::{CHAT_BAD_UTF8, CHAT_INVALID, CHAT_TOO_LONG};

/// Most bytes of names, fingerprints, queries and their like.
pub(crate) const SHORT: usize = limits::SHORT_BYTES;
/// Most bytes of a text that is sent.
pub(crate) const TEXT: usize = chat_engine::limits::TEXT_BYTES;
/// Most bytes of a password.
pub(crate) const PASSWORD: usize = chat_engine::limits::PASSWORD_MAX_BYTES;
/// Most bytes of a line of JSON.
pub(crate) const JSON: usize = chat_engine::limits::JSON_LINE_BYTES;
/// Most bytes of the place where a page begins.
pub(crate) const PAGE: usize = limits::SHORT_BYTES;

/// A text that must be there.
///
/// # Safety
///
/// A non-NULL `text` ends with NUL and stays as it is for `'a`.
pub(crate) unsafe fn text<'a>(text: *const c_char, most: usize) -> Outcome<&'a str> {
    // SAFETY: as the caller promises.
    unsafe { text_if(text, most) }?.ok_or_else(|| invalid("a text is NULL"))
}

/// A text, unless it is NULL.
///
/// # Safety
///
/// As [`text`].
pub(crate) unsafe fn text_if<'a>(text: *const c_char, most: usize) -> Outcome<Option<&'a str>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: the text ends with NUL; strnlen looks at no byte behind it, nor beyond the limit.
    let length = unsafe { libc::strnlen(text, most + 1) };
    if length > most {
        return Err(Fault::new(
            CHAT_TOO_LONG,
            format!("the text is longer than {most} bytes"),
        ));
    }
    // SAFETY: strnlen found these bytes.
    let bytes = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), length) };
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(error) => Err(Fault::new(
            CHAT_BAD_UTF8,
            format!("the text is not UTF-8 from byte {} on", error.valid_up_to()),
        )),
    }
}

/// A room, or `@` and the other account of a direct conversation.
///
/// # Safety
///
/// As [`text`].
pub(crate) unsafe fn place(place: *const c_char) -> Outcome<Target> {
    // SAFETY: as the caller promises.
    unsafe { place_if(place) }?.ok_or_else(|| invalid("the room or @account is NULL"))
}

/// The same, unless it is NULL.
///
/// # Safety
///
/// As [`text`].
pub(crate) unsafe fn place_if(place: *const c_char) -> Outcome<Option<Target>> {
    // SAFETY: as the caller promises.
    let place = unsafe { text_if(place, SHORT) }?;
    let target = place.map(|place| match place.strip_prefix('@') {
        Some(account) => AccountName::new(account).map(Target::Account),
        None => RoomName::new(place).map(Target::Room),
    });
    Ok(target.transpose()?)
}

/// The name of a room.
///
/// # Safety
///
/// As [`text`].
pub(crate) unsafe fn room(room: *const c_char) -> Outcome<RoomName> {
    // SAFETY: as the caller promises.
    Ok(RoomName::new(unsafe { text(room, SHORT) }?)?)
}

/// The name of an account, with or without an `@` before it.
///
/// # Safety
///
/// As [`text`].
pub(crate) unsafe fn account(account: *const c_char) -> Outcome<AccountName> {
    // SAFETY: as the caller promises.
    let name = unsafe { text(account, SHORT) }?;
    Ok(AccountName::new(name.strip_prefix('@').unwrap_or(name))?)
}

/// A path.
///
/// # Safety
///
/// As [`text`].
pub(crate) unsafe fn path(path: *const c_char) -> Outcome<PathBuf> {
    // SAFETY: as the caller promises.
    match unsafe { text(path, limits::PATH_BYTES) }? {
        "" => Err(invalid("the path is empty")),
        path => Ok(path.into()),
    }
}

/// A send id.
///
/// # Safety
///
/// A non-NULL `bytes` has `length` bytes.
pub(crate) unsafe fn send_id(bytes: *const u8, length: usize) -> Outcome<SendId> {
    // SAFETY: as the caller promises.
    Ok(SendId(unsafe { sixteen(bytes, length) }?))
}

/// The id of a file.
///
/// # Safety
///
/// A non-NULL `bytes` has `length` bytes.
pub(crate) unsafe fn blob(bytes: *const u8, length: usize) -> Outcome<BlobId> {
    // SAFETY: as the caller promises.
    Ok(BlobId(unsafe { sixteen(bytes, length) }?))
}

unsafe fn sixteen(bytes: *const u8, length: usize) -> Outcome<[u8; 16]> {
    if bytes.is_null() || length != 16 {
        return Err(invalid("an id has 16 bytes"));
    }
    // SAFETY: it is not NULL, and the caller promises that it has these bytes.
    Ok(unsafe { bytes.cast::<[u8; 16]>().read_unaligned() })
}

pub(crate) fn seq(seq: u64) -> Outcome<Seq> {
    match seq {
        1.. if seq <= Seq::MAX.0 => Ok(Seq(seq)),
        _ => Err(invalid(
            "the number of an entry is 1 or more, and below 2^53",
        )),
    }
}

pub(crate) fn history(history: chat_history) -> Outcome<Option<History>> {
    match history {
        CHAT_HISTORY_DEFAULT => Ok(None),
        CHAT_HISTORY_ALL => Ok(Some(History::All)),
        CHAT_HISTORY_SINCE_JOIN => Ok(Some(History::SinceJoin)),
        _ => Err(invalid("there is no such kind of history")),
    }
}

pub(crate) fn history_from(from: chat_history_from, place: u64) -> Outcome<HistoryFrom> {
    match from {
        CHAT_HISTORY_END => Ok(HistoryFrom::End),
        CHAT_HISTORY_BEFORE => Ok(HistoryFrom::Before(seq(place)?)),
        CHAT_HISTORY_AFTER if place == 0 => Ok(HistoryFrom::After(Seq::ZERO)),
        CHAT_HISTORY_AFTER => Ok(HistoryFrom::After(seq(place)?)),
        CHAT_HISTORY_AROUND => Ok(HistoryFrom::Around(seq(place)?)),
        _ => Err(invalid("there is no such place to begin a history")),
    }
}

pub(crate) fn history_limit(limit: u32) -> u32 {
    let most = chat_engine::limits::HISTORY_ITEMS as u32;
    match limit {
        0 => most,
        _ => limit.min(most),
    }
}

pub(crate) fn role(role: chat_role) -> Outcome<Role> {
    match role {
        CHAT_ROLE_MEMBER => Ok(Role::Member),
        CHAT_ROLE_MODERATOR => Ok(Role::Moderator),
        CHAT_ROLE_OWNER => Ok(Role::Owner),
        _ => Err(invalid("there is no such role")),
    }
}

pub(crate) fn presence(state: chat_presence) -> Outcome<PresenceState> {
    match state {
        CHAT_PRESENCE_ONLINE => Ok(PresenceState::Online),
        CHAT_PRESENCE_AWAY => Ok(PresenceState::Away),
        _ => Err(invalid("a presence is online or away")),
    }
}

pub(crate) fn rights(rights: chat_rights) -> Outcome<Rights> {
    match rights {
        CHAT_RIGHTS_USER => Ok(Rights::User),
        CHAT_RIGHTS_ADMIN => Ok(Rights::Admin),
        _ => Err(invalid("there are no such rights")),
    }
}

pub(crate) fn registration(registration: chat_registration) -> Outcome<Registration> {
    match registration {
        CHAT_REGISTRATION_INVITE => Ok(Registration::Invite),
        CHAT_REGISTRATION_OPEN => Ok(Registration::Open),
        CHAT_REGISTRATION_CLOSED => Ok(Registration::Closed),
        _ => Err(invalid("there is no such kind of registration")),
    }
}

/// Takes a string back that [`output::string`](crate::output::string) gave.
///
/// # Safety
///
/// A non-NULL `string` came from there and is freed once.
pub(crate) unsafe fn free_string(string: *mut c_char) {
    if !string.is_null() && !crate::runtime::is_forked() {
        // SAFETY: as the caller promises.
        drop(unsafe { CString::from_raw(string) });
    }
}

pub(crate) fn invalid(text: &str) -> Fault {
    Fault::new(CHAT_INVALID, text)
}
