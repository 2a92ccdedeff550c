//! Why the server said no.

use std::fmt;

/// A refusal: a stable code, a sentence for people, and when to try again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// For programs. Stable.
    pub code: Code,
    /// For people: what is wrong and what to do. May change.
    pub text: String,
    /// Try again after this many milliseconds. `None`: trying again as it is won't help.
    pub retry_ms: Option<u32>,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal $word:literal : $text:literal,)*) => {
        /// The stable codes of refusals. The number travels on the wire, the word is shown to
        /// programs, the sentence is what people read unless the server knows better.
        #[non_exhaustive]
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum Code {
            $($(#[$doc])* $name,)*
            /// A code of a later version.
            Other(u16),
        }

        impl Code {
            /// Every code of this version.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The number on the wire.
            #[must_use]
            pub const fn number(self) -> u16 {
                match self {
                    $(Self::$name => $number,)*
                    Self::Other(number) => number,
                }
            }

            /// The code under a number.
            #[must_use]
            pub const fn from_number(number: u16) -> Self {
                match number {
                    $($number => Self::$name,)*
                    number => Self::Other(number),
                }
            }

            /// The word for it, as in `--json`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                    Self::Other(_) => "other",
                }
            }

            /// What to tell people when nothing more exact is known.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Other(_) => "the server refused for a reason that this version does not know; update the client",
                }
            }
        }
    };
}

codes! {
    // 1-19: login.
    /// Wrong password or unknown account: one code on purpose.
    LoginFailed = 1 "login_failed": "the account name or the password is wrong",
    /// Registration: somebody has the name.
    NameTaken = 2 "name_taken": "that account name is taken; choose another one",
    /// A name breaks the rules.
    BadName = 3 "bad_name": "that is not a valid name",
    /// Registration is closed.
    RegistrationClosed = 4 "registration_closed": "this server opens no accounts; ask its operator",
    /// Registration needs an invite.
    InviteRequired = 5 "invite_required": "this server opens accounts by invite only; ask its operator for an invite link",
    /// The invite is unknown, used up or expired.
    BadInvite = 6 "bad_invite": "the invite is unknown, used up or expired; ask for a new one",
    /// A password breaks the rules.
    BadPassword = 7 "bad_password": "a password has 8 to 1024 bytes",
    /// The account has too many devices.
    TooManyDevices = 8 "too_many_devices": "the account has too many devices; revoke one of them first",
    /// The device was revoked.
    DeviceRevoked = 9 "device_revoked": "this device was revoked; log in with the password to enroll it again",
    /// The device key is not enrolled and no password came with it.
    PasswordRequired = 10 "password_required": "this device is not known to the server; log in with the password once",
    /// The device key belongs to another account.
    DeviceTaken = 11 "device_taken": "this device belongs to another account; use another profile",

    // 20-39: the conversation.
    /// No room of that name, or one that is not shown to you.
    NoSuchRoom = 20 "no_such_room": "there is no such room, or you may not see it",
    /// No account of that name.
    NoSuchAccount = 21 "no_such_account": "there is no account of that name",
    /// You are not a member.
    NotAMember = 22 "not_a_member": "you are not a member of this room; join it first",
    /// A room of that name exists.
    RoomExists = 23 "room_exists": "a room of that name exists; join it or choose another name",
    /// The room is by invite only.
    NotInvited = 24 "not_invited": "this room is by invite only; ask a moderator",
    /// You are banned from the room.
    Banned = 25 "banned": "you are banned from this room",
    /// You may not send in this room for now.
    Muted = 26 "muted": "you are muted in this room",
    /// Your role does not allow it.
    Forbidden = 27 "forbidden": "your role in this room does not allow that",
    /// The entry referred to is not there, deleted, or not visible to you.
    NoSuchEntry = 28 "no_such_entry": "there is no such entry, or it was deleted",
    /// The text is longer than the limit.
    TooLong = 29 "too_long": "the text is too long; send it in parts or as a file",
    /// Nothing in it.
    Empty = 30 "empty": "there is nothing to send",
    /// The room would be left without an owner.
    LastOwner = 31 "last_owner": "you are the last owner; make somebody else an owner first",
    /// A limit on rooms or members is reached.
    TooMany = 32 "too_many": "a limit of this server is reached",
    /// Does not make sense here, like inviting into a direct conversation.
    BadRequest = 33 "bad_request": "that request makes no sense here",
    /// A role that does not exist.
    BadRole = 34 "bad_role": "a role is one of member, moderator, owner",
    /// No plugin has a command of that name.
    NoSuchCommand = 35 "no_such_command": "there is no such command; ask for the list of commands",

    // 40-59: sending.
    /// An earlier send of the conversation was refused for now; this one waits for it.
    AfterRefused = 40 "after_refused": "an earlier message of this conversation has to be sent again first",
    /// The send id is older than the server remembers.
    SendExpired = 41 "send_expired": "this message waited longer than 30 days, so the server can't tell if it arrived; send it anew",
    /// The send id lies in the future or is malformed.
    BadSendId = 42 "bad_send_id": "the send id is not made of the time and random bits; check the clock",
    /// The send id was used for something else.
    SendIdReused = 43 "send_id_reused": "this send id was used in another conversation",
    /// Something else changed first.
    Conflict = 44 "conflict": "something else changed first; try again",
    /// A plugin refused it.
    Rejected = 45 "rejected": "the server's rules refuse this message",

    // 60-79: the server.
    /// Too much at once.
    Busy = 60 "busy": "the server is busy; try again soon",
    /// The disk is full or broken.
    Storage = 61 "storage": "the server can't store anything at the moment; try again later",
    /// Too many tries.
    SlowDown = 62 "slow_down": "too many attempts; wait before the next one",
    /// This server can't do that.
    NotSupported = 63 "not_supported": "this server can't do that yet",
    /// The server is stopping.
    Draining = 64 "draining": "the server is stopping; connect again in a moment",
    /// A fault of the server.
    Internal = 65 "internal": "the server has a fault; its log says more",

    /// Made by the client itself: the connection was lost before the answer came.
    Lost = 66 "lost": "the connection was lost before the answer came; look if it was done before you ask again",
    /// Made by the client itself: a file of this machine can't be read or written.
    LocalFile = 67 "local_file": "the file can't be read or written on this machine",

    // 80-99: files.
    /// No such file, or not visible to you.
    NoSuchBlob = 80 "no_such_blob": "there is no such file, or you may not see it",
    /// Over the quota of the account or the server.
    Quota = 81 "quota": "the file is larger than what is left of your quota",
    /// The content is not what was announced.
    BadHash = 82 "bad_hash": "the file's content is not what was announced; send it again",
    /// Larger than any file may be here.
    TooBig = 83 "too_big": "the file is larger than this server takes",
    /// No files of that type.
    BadType = 84 "bad_type": "this server takes no files of that type",
    /// What is on the server's disk is not what was sent.
    Damaged = 85 "damaged": "the file is damaged on the server; ask its sender to send it again",
    /// The sender gave it up, or it expired.
    Abandoned = 86 "abandoned": "the sender gave this file up",
}

impl Refusal {
    /// A refusal with the code's own sentence.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self {
            code,
            text: code.sentence().to_owned(),
            retry_ms: None,
        }
    }

    /// A refusal with a more exact sentence.
    #[must_use]
    pub fn because(code: Code, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            retry_ms: None,
        }
    }

    /// The same, with the time after which to try again.
    #[must_use]
    pub fn retry_in(mut self, millis: u32) -> Self {
        self.retry_ms = Some(millis);
        self
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        self.retry_ms.is_some()
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(number) => write!(f, "other_{number}"),
            known => f.write_str(known.as_str()),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A plugin may refuse without a word; that it was refused is to be read all the same.
        f.write_str(match self.text.as_str() {
            "" => self.code.sentence(),
            text => text,
        })
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words_are_unique_and_read_back() {
        for (index, code) in Code::ALL.iter().enumerate() {
            assert_eq!(Code::from_number(code.number()), *code);
            for other in &Code::ALL[..index] {
                assert_ne!(code.as_str(), other.as_str());
                assert_ne!(code.number(), other.number());
            }
        }
        assert_eq!(Code::from_number(9999).number(), 9999);
    }

    #[test]
    fn a_refusal_without_a_word_is_read_as_its_code() {
        let quiet = Refusal::because(Code::Rejected, "");
        assert_eq!(quiet.to_string(), Code::Rejected.sentence());
        let told = Refusal::because(Code::Rejected, "mind your words");
        assert_eq!(told.to_string(), "mind your words");
    }
}
