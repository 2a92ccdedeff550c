//! Plain data that every layer shares. Nothing here does anything.

mod admin;
mod answer;
mod conversation;
mod entry;
mod file;
mod file_name;
mod login;
mod message;
mod name;
mod pace;
mod presence;
mod refusal;
mod request;
mod room;
mod time;

pub use admin::{AccountItem, Admin, AdminAnswer, PluginItem, Registration, ServerStats};
pub use answer::{
    Answer, CommandItem, DeviceItem, HistoryItem, MemberItem, Reaction, RoomItem, WhoItem,
};
pub use conversation::{Conversation, GapReason, Peer, Receipt};
pub use entry::{Body, Change, Content, Entry, Extensions, FileOffer, Kind, MemberChange};
pub use file::{
    Chunk, Fetched, Fetching, FileRules, HashPair, Incoming, PendingUpload, Piece, Stopped, Upload,
    Uploading,
};
pub use file_name::{BadFileName, FileName};
pub use login::{Login, Position, Resume, Welcome, WelcomeLimits};
pub use message::{ByeReason, Send, Target, ToClient, ToServer};
pub use name::{AccountName, BadName, RoomName};
pub use pace::Pace;
pub use presence::{Presence, PresenceState};
pub use refusal::{Code, Refusal};
pub use request::{HistoryFrom, Request};
pub use room::{
    Account, Cursor, Device, History, Invite, Member, Rights, Role, Room, Span, Standing,
};
pub use time::{Now, Time, UnixTime};
