//! Numbers for what can go wrong, sorted by whose fault it is.

use std::ffi::CStr;

use chat_engine::{Code, Error, LinkFault, Misuse};

// The ones that plugins meet, too, and the type itself: chat.h includes chat_plugin.h.
pub use chat_plugin_abi::{
    CHAT_BAD_UTF8, CHAT_DENIED, CHAT_FULL, CHAT_MISUSE, CHAT_NOT_FOUND, CHAT_OK, CHAT_RETIRED,
    CHAT_TOO_LATE, CHAT_TOO_LONG, chat_status,
};

/// An argument is NULL that must not be, or has a value that doesn't exist.
pub const CHAT_INVALID: chat_status = 2;
/// The handle is none, was freed, or is of another kind.
pub const CHAT_BAD_HANDLE: chat_status = 3;
/// That is no name of an account or a room.
pub const CHAT_BAD_NAME: chat_status = 6;
/// That is no HOST:PORT, chat:// link or fingerprint.
pub const CHAT_BAD_ADDRESS: chat_status = 7;
/// Somebody else is at it: another thread waits for events, or another process has the folder.
pub const CHAT_BUSY: chat_status = 9;
/// This version can't do that.
pub const CHAT_NOT_SUPPORTED: chat_status = 11;
/// This process was forked from one that used the library. Only the parent can use it.
pub const CHAT_FORKED: chat_status = 12;
/// The line is not what chat_client_request_json takes.
pub const CHAT_BAD_JSON: chat_status = 13;
/// The size of an options struct is wrong, or fields are set that this version does not know.
pub const CHAT_BAD_OPTIONS: chat_status = 14;
/// There is nothing to send.
pub const CHAT_EMPTY: chat_status = 15;
/// It is closed. For a request: it was not answered before; a send was not kept.
pub const CHAT_CLOSED: chat_status = 20;
/// The request was canceled.
pub const CHAT_CANCELED: chat_status = 21;
/// There was no answer in time.
pub const CHAT_TIMEOUT: chat_status = 22;
/// The send stays in the durable outbox and goes out at the next start. Don't send it again.
pub const CHAT_PENDING: chat_status = 23;
/// No connection could be made.
pub const CHAT_CANNOT_CONNECT: chat_status = 30;
/// The connection was lost.
pub const CHAT_LOST: chat_status = 31;
/// The other end does not answer any more.
pub const CHAT_SILENT: chat_status = 32;
/// The server ended the connection; chat_event_reason says why.
pub const CHAT_BYE: chat_status = 33;
/// The other end broke the protocol.
pub const CHAT_PROTOCOL: chat_status = 40;
/// The two ends have no version of the protocol in common. Update the older one.
pub const CHAT_BAD_VERSION: chat_status = 41;
/// Nobody decided about the key of the server yet.
pub const CHAT_UNKNOWN_KEY: chat_status = 42;
/// The server shows another key than before, or than it should. It was set up anew, or somebody is in between.
pub const CHAT_WRONG_KEY: chat_status = 43;
/// This machine could not do it: disk, rights, memory.
pub const CHAT_LOCAL: chat_status = 50;
/// The folder was written by a later version of the library.
pub const CHAT_TOO_NEW: chat_status = 51;
/// A fault of this library. Please report it.
pub const CHAT_INTERNAL: chat_status = 90;
/// A fault of this library; the handle is closed, the others are not touched. Please report it.
pub const CHAT_PANIC: chat_status = 91;
/// The server said no: wrong password or unknown account: one code on purpose.
pub const CHAT_REFUSED_LOGIN_FAILED: chat_status = 101;
/// The server said no: registration: somebody has the name.
pub const CHAT_REFUSED_NAME_TAKEN: chat_status = 102;
/// The server said no: a name breaks the rules.
pub const CHAT_REFUSED_BAD_NAME: chat_status = 103;
/// The server said no: registration is closed.
pub const CHAT_REFUSED_REGISTRATION_CLOSED: chat_status = 104;
/// The server said no: registration needs an invite.
pub const CHAT_REFUSED_INVITE_REQUIRED: chat_status = 105;
/// The server said no: the invite is unknown, used up or expired.
pub const CHAT_REFUSED_BAD_INVITE: chat_status = 106;
/// The server said no: a password breaks the rules.
pub const CHAT_REFUSED_BAD_PASSWORD: chat_status = 107;
/// The server said no: the account has too many devices.
pub const CHAT_REFUSED_TOO_MANY_DEVICES: chat_status = 108;
/// The server said no: the device was revoked.
pub const CHAT_REFUSED_DEVICE_REVOKED: chat_status = 109;
/// The server said no: the device key is not enrolled and no password came with it.
pub const CHAT_REFUSED_PASSWORD_REQUIRED: chat_status = 110;
/// The server said no: the device key belongs to another account.
pub const CHAT_REFUSED_DEVICE_TAKEN: chat_status = 111;
/// The server said no: no room of that name, or one that is not shown to you.
pub const CHAT_REFUSED_NO_SUCH_ROOM: chat_status = 120;
/// The server said no: no account of that name.
pub const CHAT_REFUSED_NO_SUCH_ACCOUNT: chat_status = 121;
/// The server said no: you are not a member.
pub const CHAT_REFUSED_NOT_A_MEMBER: chat_status = 122;
/// The server said no: a room of that name exists.
pub const CHAT_REFUSED_ROOM_EXISTS: chat_status = 123;
/// The server said no: the room is by invite only.
pub const CHAT_REFUSED_NOT_INVITED: chat_status = 124;
/// The server said no: you are banned from the room.
pub const CHAT_REFUSED_BANNED: chat_status = 125;
/// The server said no: you may not send in this room for now.
pub const CHAT_REFUSED_MUTED: chat_status = 126;
/// The server said no: your role does not allow it.
pub const CHAT_REFUSED_FORBIDDEN: chat_status = 127;
/// The server said no: the entry referred to is not there, deleted, or not visible to you.
pub const CHAT_REFUSED_NO_SUCH_ENTRY: chat_status = 128;
/// The server said no: the text is longer than the limit.
pub const CHAT_REFUSED_TOO_LONG: chat_status = 129;
/// The server said no: nothing in it.
pub const CHAT_REFUSED_EMPTY: chat_status = 130;
/// The server said no: the room would be left without an owner.
pub const CHAT_REFUSED_LAST_OWNER: chat_status = 131;
/// The server said no: a limit on rooms or members is reached.
pub const CHAT_REFUSED_TOO_MANY: chat_status = 132;
/// The server said no: does not make sense here, like inviting into a direct conversation.
pub const CHAT_REFUSED_BAD_REQUEST: chat_status = 133;
/// The server said no: a role that does not exist.
pub const CHAT_REFUSED_BAD_ROLE: chat_status = 134;
/// The server said no: no plugin has a command of that name.
pub const CHAT_REFUSED_NO_SUCH_COMMAND: chat_status = 135;
/// The server said no: an earlier send of the conversation was refused for now; this one waits for it.
pub const CHAT_REFUSED_AFTER_REFUSED: chat_status = 140;
/// The server said no: the send id is older than the server remembers.
pub const CHAT_REFUSED_SEND_EXPIRED: chat_status = 141;
/// The server said no: the send id lies in the future or is malformed.
pub const CHAT_REFUSED_BAD_SEND_ID: chat_status = 142;
/// The server said no: the send id was used for something else.
pub const CHAT_REFUSED_SEND_ID_REUSED: chat_status = 143;
/// The server said no: something else changed first.
pub const CHAT_REFUSED_CONFLICT: chat_status = 144;
/// The server said no: a plugin refused it.
pub const CHAT_REFUSED_REJECTED: chat_status = 145;
/// The server said no: too much at once.
pub const CHAT_REFUSED_BUSY: chat_status = 160;
/// The server said no: the disk is full or broken.
pub const CHAT_REFUSED_STORAGE: chat_status = 161;
/// The server said no: too many tries.
pub const CHAT_REFUSED_SLOW_DOWN: chat_status = 162;
/// The server said no: this server can't do that.
pub const CHAT_REFUSED_NOT_SUPPORTED: chat_status = 163;
/// The server said no: the server is stopping.
pub const CHAT_REFUSED_DRAINING: chat_status = 164;
/// The server said no: a fault of the server.
pub const CHAT_REFUSED_INTERNAL: chat_status = 165;
/// The server said no: no such file, or not visible to you.
pub const CHAT_REFUSED_NO_SUCH_BLOB: chat_status = 180;
/// The server said no: over the quota of the account or the server.
pub const CHAT_REFUSED_QUOTA: chat_status = 181;
/// The server said no: the content is not what was announced.
pub const CHAT_REFUSED_BAD_HASH: chat_status = 182;
/// The server said no: larger than any file may be here.
pub const CHAT_REFUSED_TOO_BIG: chat_status = 183;
/// The server said no: no files of that type.
pub const CHAT_REFUSED_BAD_TYPE: chat_status = 184;
/// The server said no: what is on the server's disk is not what was sent.
pub const CHAT_REFUSED_DAMAGED: chat_status = 185;
/// The server said no: the sender gave it up, or it expired.
pub const CHAT_REFUSED_ABANDONED: chat_status = 186;
/// The server said no, with a reason that this version does not know.
pub const CHAT_REFUSED_OTHER: chat_status = 199;

/// Number, name, sentence, and whether trying again may help, of all that the server does not say.
const OWN: &[(chat_status, &CStr, &CStr, bool)] = &[
    (CHAT_OK, c"CHAT_OK", c"it worked", false),
    (CHAT_MISUSE, c"CHAT_MISUSE", c"the call makes no sense here; fix the calling code", false),
    (CHAT_INVALID, c"CHAT_INVALID", c"an argument is NULL or has a value that does not exist; fix the calling code", false),
    (CHAT_BAD_HANDLE, c"CHAT_BAD_HANDLE", c"the handle is none, was freed, or is of another kind; fix the calling code", false),
    (CHAT_BAD_UTF8, c"CHAT_BAD_UTF8", c"a text is not UTF-8", false),
    (CHAT_TOO_LONG, c"CHAT_TOO_LONG", c"a text or a length is above its limit", false),
    (CHAT_BAD_NAME, c"CHAT_BAD_NAME", c"that is no valid name", false),
    (CHAT_BAD_ADDRESS, c"CHAT_BAD_ADDRESS", c"that is no address, link or fingerprint", false),
    (CHAT_FULL, c"CHAT_FULL", c"too much is waiting; take events, then try again", true),
    (CHAT_BUSY, c"CHAT_BUSY", c"somebody else is using it", true),
    (CHAT_NOT_FOUND, c"CHAT_NOT_FOUND", c"there is nothing of that name or number", false),
    (CHAT_NOT_SUPPORTED, c"CHAT_NOT_SUPPORTED", c"this version can't do that", false),
    (CHAT_FORKED, c"CHAT_FORKED", c"this process was forked from one that used the library; start it anew by exec to use it here", false),
    (CHAT_BAD_JSON, c"CHAT_BAD_JSON", c"the line is no request", false),
    (CHAT_BAD_OPTIONS, c"CHAT_BAD_OPTIONS", c"the options are of another version, or not initialized", false),
    (CHAT_EMPTY, c"CHAT_EMPTY", c"there is nothing to send", false),
    (CHAT_DENIED, c"CHAT_DENIED", c"the plugin did not declare the capability for that", false),
    (CHAT_CLOSED, c"CHAT_CLOSED", c"it is closed", false),
    (CHAT_CANCELED, c"CHAT_CANCELED", c"the request was canceled", false),
    (CHAT_TIMEOUT, c"CHAT_TIMEOUT", c"there was no answer in time", true),
    (CHAT_PENDING, c"CHAT_PENDING", c"it stays in the outbox and is sent at the next start", false),
    (CHAT_TOO_LATE, c"CHAT_TOO_LATE", c"it was decided meanwhile", false),
    (CHAT_RETIRED, c"CHAT_RETIRED", c"the plugin was stopped or replaced", false),
    (CHAT_CANNOT_CONNECT, c"CHAT_CANNOT_CONNECT", c"cannot connect", true),
    (CHAT_LOST, c"CHAT_LOST", c"the connection was lost", true),
    (CHAT_SILENT, c"CHAT_SILENT", c"the other end does not answer", true),
    (CHAT_BYE, c"CHAT_BYE", c"the server ended the connection", false),
    (CHAT_PROTOCOL, c"CHAT_PROTOCOL", c"the other end broke the protocol", false),
    (CHAT_BAD_VERSION, c"CHAT_BAD_VERSION", c"no version of the protocol in common; update the older end", false),
    (CHAT_UNKNOWN_KEY, c"CHAT_UNKNOWN_KEY", c"the key of the server is not known yet", false),
    (CHAT_WRONG_KEY, c"CHAT_WRONG_KEY", c"the server shows another key than it should", false),
    (CHAT_LOCAL, c"CHAT_LOCAL", c"this machine could not do it", false),
    (CHAT_TOO_NEW, c"CHAT_TOO_NEW", c"the folder was written by a later version; update this program", false),
    (CHAT_INTERNAL, c"CHAT_INTERNAL", c"a fault of the chat library; please report it", false),
    (CHAT_PANIC, c"CHAT_PANIC", c"a fault of the chat library ended this handle; please report it", false),
];

/// Number, name, sentence, and whether trying again may help, of all that the server says.
const REFUSED: &[(chat_status, &CStr, &CStr, bool)] = &[
    (CHAT_REFUSED_LOGIN_FAILED, c"CHAT_REFUSED_LOGIN_FAILED", c"the account name or the password is wrong", false),
    (CHAT_REFUSED_NAME_TAKEN, c"CHAT_REFUSED_NAME_TAKEN", c"that account name is taken; choose another one", false),
    (CHAT_REFUSED_BAD_NAME, c"CHAT_REFUSED_BAD_NAME", c"that is not a valid name", false),
    (CHAT_REFUSED_REGISTRATION_CLOSED, c"CHAT_REFUSED_REGISTRATION_CLOSED", c"this server opens no accounts; ask its operator", false),
    (CHAT_REFUSED_INVITE_REQUIRED, c"CHAT_REFUSED_INVITE_REQUIRED", c"this server opens accounts by invite only; ask its operator for an invite link", false),
    (CHAT_REFUSED_BAD_INVITE, c"CHAT_REFUSED_BAD_INVITE", c"the invite is unknown, used up or expired; ask for a new one", false),
    (CHAT_REFUSED_BAD_PASSWORD, c"CHAT_REFUSED_BAD_PASSWORD", c"a password has 8 to 1024 bytes", false),
    (CHAT_REFUSED_TOO_MANY_DEVICES, c"CHAT_REFUSED_TOO_MANY_DEVICES", c"the account has too many devices; revoke one of them first", false),
    (CHAT_REFUSED_DEVICE_REVOKED, c"CHAT_REFUSED_DEVICE_REVOKED", c"this device was revoked; log in with the password to enroll it again", false),
    (CHAT_REFUSED_PASSWORD_REQUIRED, c"CHAT_REFUSED_PASSWORD_REQUIRED", c"this device is not known to the server; log in with the password once", false),
    (CHAT_REFUSED_DEVICE_TAKEN, c"CHAT_REFUSED_DEVICE_TAKEN", c"this device belongs to another account; use another profile", false),
    (CHAT_REFUSED_NO_SUCH_ROOM, c"CHAT_REFUSED_NO_SUCH_ROOM", c"there is no such room, or you may not see it", false),
    (CHAT_REFUSED_NO_SUCH_ACCOUNT, c"CHAT_REFUSED_NO_SUCH_ACCOUNT", c"there is no account of that name", false),
    (CHAT_REFUSED_NOT_A_MEMBER, c"CHAT_REFUSED_NOT_A_MEMBER", c"you are not a member of this room; join it first", false),
    (CHAT_REFUSED_ROOM_EXISTS, c"CHAT_REFUSED_ROOM_EXISTS", c"a room of that name exists; join it or choose another name", false),
    (CHAT_REFUSED_NOT_INVITED, c"CHAT_REFUSED_NOT_INVITED", c"this room is by invite only; ask a moderator", false),
    (CHAT_REFUSED_BANNED, c"CHAT_REFUSED_BANNED", c"you are banned from this room", false),
    (CHAT_REFUSED_MUTED, c"CHAT_REFUSED_MUTED", c"you are muted in this room", false),
    (CHAT_REFUSED_FORBIDDEN, c"CHAT_REFUSED_FORBIDDEN", c"your role in this room does not allow that", false),
    (CHAT_REFUSED_NO_SUCH_ENTRY, c"CHAT_REFUSED_NO_SUCH_ENTRY", c"there is no such entry, or it was deleted", false),
    (CHAT_REFUSED_TOO_LONG, c"CHAT_REFUSED_TOO_LONG", c"the text is too long; send it in parts or as a file", false),
    (CHAT_REFUSED_EMPTY, c"CHAT_REFUSED_EMPTY", c"there is nothing to send", false),
    (CHAT_REFUSED_LAST_OWNER, c"CHAT_REFUSED_LAST_OWNER", c"you are the last owner; make somebody else an owner first", false),
    (CHAT_REFUSED_TOO_MANY, c"CHAT_REFUSED_TOO_MANY", c"a limit of this server is reached", false),
    (CHAT_REFUSED_BAD_REQUEST, c"CHAT_REFUSED_BAD_REQUEST", c"that request makes no sense here", false),
    (CHAT_REFUSED_BAD_ROLE, c"CHAT_REFUSED_BAD_ROLE", c"a role is one of member, moderator, owner", false),
    (CHAT_REFUSED_AFTER_REFUSED, c"CHAT_REFUSED_AFTER_REFUSED", c"an earlier message of this conversation has to be sent again first", true),
    (CHAT_REFUSED_SEND_EXPIRED, c"CHAT_REFUSED_SEND_EXPIRED", c"this message waited longer than 30 days, so the server can't tell if it arrived; send it anew", false),
    (CHAT_REFUSED_BAD_SEND_ID, c"CHAT_REFUSED_BAD_SEND_ID", c"the send id is not made of the time and random bits; check the clock", false),
    (CHAT_REFUSED_SEND_ID_REUSED, c"CHAT_REFUSED_SEND_ID_REUSED", c"this send id was used in another conversation", false),
    (CHAT_REFUSED_CONFLICT, c"CHAT_REFUSED_CONFLICT", c"something else changed first; try again", true),
    (CHAT_REFUSED_REJECTED, c"CHAT_REFUSED_REJECTED", c"the server's rules refuse this message", false),
    (CHAT_REFUSED_BUSY, c"CHAT_REFUSED_BUSY", c"the server is busy; try again soon", true),
    (CHAT_REFUSED_STORAGE, c"CHAT_REFUSED_STORAGE", c"the server can't store anything at the moment; try again later", true),
    (CHAT_REFUSED_SLOW_DOWN, c"CHAT_REFUSED_SLOW_DOWN", c"too many attempts; wait before the next one", true),
    (CHAT_REFUSED_NOT_SUPPORTED, c"CHAT_REFUSED_NOT_SUPPORTED", c"this server can't do that yet", false),
    (CHAT_REFUSED_DRAINING, c"CHAT_REFUSED_DRAINING", c"the server is stopping; connect again in a moment", true),
    (CHAT_REFUSED_INTERNAL, c"CHAT_REFUSED_INTERNAL", c"the server has a fault; its log says more", false),
    (CHAT_REFUSED_NO_SUCH_BLOB, c"CHAT_REFUSED_NO_SUCH_BLOB", c"there is no such file, or you may not see it", false),
    (CHAT_REFUSED_QUOTA, c"CHAT_REFUSED_QUOTA", c"the file is larger than what is left of your quota", false),
    (CHAT_REFUSED_BAD_HASH, c"CHAT_REFUSED_BAD_HASH", c"the file's content is not what was announced; send it again", false),
    (CHAT_REFUSED_NO_SUCH_COMMAND, c"CHAT_REFUSED_NO_SUCH_COMMAND", c"there is no such command; ask for the list of commands", false),
    (CHAT_REFUSED_TOO_BIG, c"CHAT_REFUSED_TOO_BIG", c"the file is larger than this server takes", false),
    (CHAT_REFUSED_BAD_TYPE, c"CHAT_REFUSED_BAD_TYPE", c"this server takes no files of that type", false),
    (CHAT_REFUSED_DAMAGED, c"CHAT_REFUSED_DAMAGED", c"the file is damaged on the server; ask its sender to send it again", false),
    (CHAT_REFUSED_ABANDONED, c"CHAT_REFUSED_ABANDONED", c"the sender gave this file up", false),
    (CHAT_REFUSED_OTHER, c"CHAT_REFUSED_OTHER", c"the server refused for a reason that this version does not know; update the program", false),
];

/// See `chat_version_number`.
pub(crate) const VERSION_NUMBER: u32 = {
    let version = env!("CARGO_PKG_VERSION").as_bytes();
    let (mut number, mut part, mut place) = (0, 0, 0);
    while place < version.len() {
        match version[place] {
            b'.' => {
                number = number * 1000 + part;
                part = 0;
            }
            digit => part = part * 10 + (digit - b'0') as u32,
        }
        place += 1;
    }
    number * 1000 + part
};

/// The number for an error.
pub(crate) fn of_error(error: &Error) -> chat_status {
    match error {
        Error::Misuse(misuse) => of_misuse(misuse),
        Error::Refused(refusal) => of_code(refusal.code),
        Error::Link(LinkFault::Connect(_)) => CHAT_CANNOT_CONNECT,
        Error::Link(LinkFault::Lost) => CHAT_LOST,
        Error::Link(LinkFault::Timeout) => CHAT_SILENT,
        Error::Link(_) => CHAT_BYE,
        Error::Peer(_) => CHAT_PROTOCOL,
        Error::Trust(mistrust) if mistrust.expected.is_none() => CHAT_UNKNOWN_KEY,
        Error::Trust(_) => CHAT_WRONG_KEY,
        Error::Version => CHAT_BAD_VERSION,
        Error::Local(_) => CHAT_LOCAL,
        Error::InUse { .. } => CHAT_BUSY,
        Error::TooNew(_) => CHAT_TOO_NEW,
        Error::Closed => CHAT_CLOSED,
        _ => CHAT_INTERNAL,
    }
}

fn of_misuse(misuse: &Misuse) -> chat_status {
    match misuse {
        Misuse::Name(_) => CHAT_BAD_NAME,
        Misuse::TooLong(_) => CHAT_TOO_LONG,
        Misuse::Empty => CHAT_EMPTY,
        Misuse::Address(_) | Misuse::Url(_) => CHAT_BAD_ADDRESS,
        Misuse::Full => CHAT_FULL,
        _ => CHAT_INVALID,
    }
}

/// The number for a refusal of the server: 100 above its own.
pub(crate) fn of_code(code: Code) -> chat_status {
    let status = match code {
        // The client itself says these: nobody refused anything.
        Code::Lost => return CHAT_LOST,
        Code::LocalFile => return CHAT_LOCAL,
        code => 100 + chat_status::from(code.number()),
    };
    match row(status) {
        Some(_) => status,
        None => CHAT_REFUSED_OTHER,
    }
}

pub(crate) fn name(status: chat_status) -> &'static CStr {
    row(status).map_or(c"CHAT_UNKNOWN", |row| row.1)
}

pub(crate) fn message(status: chat_status) -> &'static CStr {
    row(status).map_or(c"a status that this version does not know", |row| row.2)
}

pub(crate) fn is_retryable(status: chat_status) -> bool {
    row(status).is_some_and(|row| row.3)
}

fn row(status: chat_status) -> Option<&'static (chat_status, &'static CStr, &'static CStr, bool)> {
    OWN.iter().chain(REFUSED).find(|row| row.0 == status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_number() {
        for code in Code::ALL {
            let status = of_code(*code);
            if [CHAT_LOST, CHAT_LOCAL].contains(&status) {
                continue;
            }
            assert_ne!(status, CHAT_REFUSED_OTHER, "{code}");
            let expected = format!("CHAT_REFUSED_{}", code.as_str().to_uppercase());
            assert_eq!(name(status).to_str(), Ok(expected.as_str()));
        }
        assert_eq!(of_code(Code::Other(9999)), CHAT_REFUSED_OTHER);
        assert_eq!(REFUSED.len(), Code::ALL.len() - 2 + 1);
    }

    #[test]
    fn numbers_are_unique_and_said_for_ever() {
        let mut numbers: Vec<_> = OWN.iter().chain(REFUSED).map(|row| row.0).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), OWN.len() + REFUSED.len());
        // A change here breaks compiled programs.
        assert_eq!(
            (CHAT_OK, CHAT_BUSY, CHAT_CLOSED, CHAT_PENDING, CHAT_PANIC),
            (0, 9, 20, 23, 91)
        );
        assert_eq!(VERSION_NUMBER, 1000);
    }
}
