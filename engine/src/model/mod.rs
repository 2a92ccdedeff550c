//! Plain data that every layer shares. Nothing here does anything.

mod admin;
mod entry;
mod file;
mod file_name;
mod message;
mod name;
mod pace;
mod refusal;
mod room;
mod time;

pub use admin::{AccountItem, Admin, AdminAnswer, PluginItem, Registration, ServerStats};
pub use entry::{Body, Change, Content, Entry, Extensions, FileOffer, Kind, MemberChange};
pub use file::{
    Chunk, Fetched, Fetching, FileRules, HashPair, Incoming, PendingUpload, Piece, Stopped, Upload,
    Uploading,
};
pub use file_name::{BadFileName, FileName};
pub use message::{
    Answer, ByeReason, CommandItem, Conversation, DeviceItem, GapReason, HistoryFrom, HistoryItem,
    Login, MemberItem, Peer, Position, Presence, PresenceState, Reaction, Receipt, Request, Resume,
    RoomItem, Send, Target, ToClient, ToServer, Welcome, WelcomeLimits, WhoItem,
};
pub use name::{AccountName, BadName, RoomName};
pub use pace::Pace;
pub use refusal::{Code, Refusal};
pub use room::{
    Account, Cursor, Device, History, Invite, Member, Rights, Role, Room, Span, Standing,
};
pub use time::{Now, Time, UnixTime};
