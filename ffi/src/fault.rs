//! Faults on purpose, for tests of what they must not touch.

use crate::api::client::chat_client;
use crate::handle;

/// Lets the work of a client panic.
pub fn panic_in(client: *mut chat_client) {
    if let Ok(client) = handle::client(client) {
        client.panic_soon();
    }
}
