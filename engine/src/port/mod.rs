//! Traits that the engine owns and adapters fill.

mod blobs;
mod file;
mod hooks;
mod profile;
mod random;
mod store;

pub use blobs::{Blobs, Content, Receiving, Unfinished};
pub use file::{
    Errand, FileStamp, Files, Held, MakeBytes, OpenedSink, Part, Sink, SinkPlace, Source,
    SourcePlace, TransferItem,
};
pub use hooks::{
    Ask, AskPlace, CommandAsk, ConnectAsk, EntryAsk, FileAsk, FileStage, FromHooks, HookSet, Hooks,
    LogItem, LogPage, LogView, LoginAsk, News, NoticeOut, NoticeTo, PRESENCE_TEXT, PluginName,
    Question, Reader, Say, Subscriptions, Verdict, Workplace, readable,
};
pub use profile::{ItemState, KnownServer, OutboxItem, Profile, ProfileChange, ProfileState};
pub use random::Random;
pub use store::{
    Append, BlobPlace, Committed, Directory, DirectoryChange, Fault, Log, MemberUpdate, SearchPage,
    Snapshot, SpanUpdate, Store, Tail, Write,
};

use std::future::Future;
use std::pin::Pin;

/// A future behind a pointer, so that ports can be trait objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
