//! JSON lines: one object per line in both directions, as `chat-cli --json` and the C API speak
//! them. The names are stable: new fields and types may come, old ones stay.
//!
//! # In
//!
//! `ref` is any string of at most [`limits::LABEL_BYTES`](crate::limits::LABEL_BYTES); the answer
//! repeats it. "where" is either `room`, the name of a room, or `to`, the name of the other account of
//! a direct conversation. Unknown fields are ignored.
//!
//! | `type` | fields | answered by |
//! |---|---|---|
//! | `send` | where, `text`, optional `reply_to` (seq), `id` (32 hex digits) | `queued`, then `ack` or `error` |
//! | `edit` | where, `seq`, `text` | as `send` |
//! | `delete` | where, `seq` | as `send` |
//! | `react` | where, `seq`, `emoji` (empty takes it back) | as `send` |
//! | `topic` | where, `text` | as `send` |
//! | `send_file` | where, `path`, optional `name`, `media_type`, `id` (32 hex digits) | `queued`, `progress`.., then `ack` or `error` |
//! | `fetch` | `blob`, `path` (a file that does not exist, or a folder), optional `start`, `length` | as `send_file`; the `ack` has `path` and `hash` |
//! | `cancel` | `ref` of a send that is in the outbox or of a transfer, or its `id` | `canceled` |
//! | `outbox` | | `outbox` |
//! | `create` | `room`, optional `public` (true), `history` (`all`, `since_join`) | `ack` |
//! | `join` `leave` | `room` | `ack` |
//! | `invite` `kick` `ban` `unban` `unmute` | `room`, `account` | `ack` |
//! | `mute` | `room`, `account`, optional `seconds` (0: for ever) | `ack` |
//! | `role` | `room`, `account`, `role` (`member`, `moderator`, `owner`) | `ack` |
//! | `who` | optional where, `next` | `who` |
//! | `rooms` `conversations` | optional `next` | `rooms`, `conversations` |
//! | `history` | where, one of `before` `after` `around` (seq) or `next`, optional `limit` | `history` |
//! | `search` | `text`, optional where, `next` | `search` |
//! | `read` | where, `seq` | `ack` |
//! | `receipts` | where | `receipts` |
//! | `devices` `commands` | | `devices`, `commands` |
//! | `revoke` | `device` (16 hex digits) | `ack` |
//! | `passwd` | `new`, optional `old`, `keep_devices` (false) | `ack` |
//! | `command` | `name`, optional `args`, where | `ack` |
//! | `typing` | where | nothing |
//! | `presence` | `state` (`online`, `away`), optional `text` | nothing |
//! | `quit` | optional `flush` (false) | `bye` |
//! | `block` `unblock` `notify` `profile` | reserved | `error` `not_supported` |
//!
//! # Out
//!
//! Ids are hexadecimal strings, `seq` and the like numbers, times RFC 3339 in UTC with milliseconds.
//! "where" is `room`, or `to` with the **other** account of a direct conversation, also for what this
//! account sent. Fields that say nothing are left out where marked with `?`.
//!
//! | `type` | fields |
//! |---|---|
//! | `server_key` | `fingerprint`: nobody decided about this key yet |
//! | `connected` | `account` `account_id` `device` `fingerprint` `protocol` `durable` `limits` {`sends` `entry_credit` `text` `frame` `ping_ms` `dead_ms`} |
//! | `reconnecting` | `in_ms` `reason` `message` |
//! | `bye` | `reason` `message`?: the last line |
//! | `queued` | `ref`? `id`: the send is in the outbox, the transfer in the profile |
//! | `progress` | `ref`? `id` `done` `size`: bytes of a transfer; not more often than five times a second |
//! | `ack` | `ref`? where? `seq`? `id`? `conv`? `earlier`?, of a fetch also `blob` `path` `hash` |
//! | `error` | `ref`? `id`? `code` `message` `retry_ms`? `earlier`? |
//! | `canceled` | `ref`? `id`: the send was taken out of the outbox, the transfer was ended |
//! | `pending` `failed` | `ref`? `id`: at the end, a send or a transfer that was not settled; kept for the next start, or lost |
//! | `message` | entry fields, `text` `reply_to`? `deleted`? |
//! | `edit` | entry fields, `target` `text` |
//! | `delete` | entry fields, `target` |
//! | `reaction` | entry fields, `target` `emoji` |
//! | `topic` | entry fields, `text` |
//! | `member` | entry fields, `account` `change` `role` `until`? |
//! | `file` | entry fields, `blob` `name` `size` `media_type` `hash`, or `deleted` |
//! | `incoming` | where `from` `blob` `name` `size` `media_type` `over`?: somebody sends a file, which can be fetched already; `over`: gave it up |
//! | `entry` | entry fields, `kind`: a kind that this version does not know |
//! | `gap` | where `conv` `epoch` `from` `to_seq` `reason` |
//! | `conversation` | the fields of an item of `conversations`: it is new, or the membership changed |
//! | `presence` | `account` `state` `text` `reason`? |
//! | `typing` | where `account` |
//! | `receipt` | where `account` `delivered` `read` |
//! | `notice` | `from` `text` where? |
//! | `dropped` | `signals`: so many signals were merged or dropped because events were taken too slowly |
//! | `outbox` | `ref`? `items` [{`id` `ref`? `state` `code`?}] |
//! | `who` | `ref`? where? `items` [{`account` `state`? `text`? `role`? `muted`? `muted_until`?}] `next`? |
//! | `rooms` | `ref`? `items` [{`room` `topic` `public` `members` `joined`}] `next`? |
//! | `history` | `ref`? where `items` [entries with `edited` `deleted` `reactions` [{`emoji` `accounts`}]] `more` `next`? |
//! | `search` | `ref`? `items` \[entries\] `next`? |
//! | `conversations` | `ref`? `items` [{where `conv` `epoch` `head` `read` `unread` `mentions` `joined`}] `next`? |
//! | `receipts` | `ref`? where `items` [{`account` `delivered` `read`}] |
//! | `devices` | `ref`? `items` [{`device` `name` `created` `seen` `online` `this`}] |
//! | `commands` | `ref`? `items` [{`name` `help`}] |
//!
//! Entry fields: where `conv` `epoch`? `seq` `prev` `id` `from` `time`. `epoch` is missing in the items of
//! `history` and `search`.

mod input;
mod object;
mod output;
mod refs;

pub use input::{Action, Input, LineError, parse_line};
pub use object::timestamp;
pub use output::{Lines, error_word};

#[cfg(test)]
mod tests;
