//! Lines of JSON for what only the C API says.

use serde_json::{Map, Value, json};

use crate::status::{self, CHAT_OK, chat_status};

/// A stable word for a status: its name without the `CHAT_`.
pub(crate) fn word(status: chat_status) -> &'static str {
    match status {
        status::CHAT_CANCELED => "canceled",
        status::CHAT_TIMEOUT => "timeout",
        status::CHAT_CLOSED => "closed",
        status::CHAT_PENDING => "pending",
        status::CHAT_LOST => "lost",
        status::CHAT_PANIC => "panic",
        _ => "failed",
    }
}

/// The line of a reply without anything else.
pub(crate) fn reply(reference: Option<&str>, status: chat_status) -> String {
    let mut line = Map::new();
    let name = match status {
        CHAT_OK => "ack",
        _ => "error",
    };
    line.insert("type".to_owned(), name.into());
    if let Some(reference) = reference {
        line.insert("ref".to_owned(), reference.into());
    }
    if status != CHAT_OK {
        line.insert("code".to_owned(), word(status).into());
        let message = status::message(status).to_string_lossy();
        line.insert("message".to_owned(), message.into());
    }
    Value::Object(line).to_string()
}

/// The last line.
pub(crate) fn bye(status: chat_status) -> String {
    let message = status::message(status).to_string_lossy();
    json!({"type": "bye", "reason": word(status), "message": message}).to_string()
}
