//! Plain data that every layer shares. Nothing here does anything.

mod admin;
mod entry;
mod message;
mod name;
mod refusal;
mod room;
mod time;

pub use admin::{AccountItem, Admin, AdminAnswer, Registration, ServerStats};
pub use entry::{Body, Change, Content, Entry, Extensions, FileOffer, Kind, MemberChange};
pub use message::{
    Answer, ByeReason, CommandItem, Conversation, DeviceItem, GapReason, HistoryFrom, HistoryItem,
    Login, MemberItem, Peer, Position, Presence, PresenceState, Reaction, Receipt, Request, Resume,
    RoomItem, Send, Target, ToClient, ToServer, Welcome, WelcomeLimits, WhoItem,
};
pub use name::{AccountName, BadName, RoomName};
pub use refusal::{Code, Refusal};
pub use room::{
    Account, Cursor, Device, History, Invite, Member, Rights, Role, Room, Span, Standing,
};
pub use time::{Now, Time, UnixTime};
