//! A panic inside of the library ends one handle, says so once, and touches nothing else.
//!
//! The functions are called as C does.

#![cfg(debug_assertions)]

use std::ffi::{CStr, CString, c_char};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use chat::api::client::*;
use chat::api::event::*;
use chat::api::server::*;
use chat::api::verbs::account::*;
use chat::api::verbs::messages::*;
use chat::status::*;

static TOLD_ON_STDERR: AtomicU32 = AtomicU32::new(0);

/// A handle may go to another thread, as in C.
#[derive(Clone, Copy)]
struct Shared(*mut chat_client);

// SAFETY: a handle is a number.
unsafe impl Send for Shared {}

#[test]
fn a_panic_poisons_only_its_handle() {
    // What the library's own hook passes on would be printed.
    std::panic::set_hook(Box::new(|_| {
        TOLD_ON_STDERR.fetch_add(1, Ordering::Relaxed);
    }));
    let server = server();
    let (ann, bob) = (client(server, c"ann"), client(server, c"bob"));

    // Somebody waits for events meanwhile, and a request is open.
    let mut request = 0;
    // SAFETY: all pointers are good, here and below.
    unsafe {
        assert_eq!(chat_client_outbox(ann, &raw mut request), CHAT_OK);
    }
    let waiting = Shared(ann);
    let waiter = thread::spawn(move || {
        let waiting = waiting;
        events(waiting.0)
    });
    chat::fault::panic_in(ann);
    let events = waiter.join().expect("the waiter does not panic");

    let closed: Vec<_> = events
        .iter()
        .filter(|(kind, ..)| *kind == CHAT_EVENT_CLOSED)
        .collect();
    assert_eq!(closed, [&(CHAT_EVENT_CLOSED, 0, CHAT_PANIC)]);
    assert_eq!(events.last(), Some(&(CHAT_EVENT_CLOSED, 0, CHAT_PANIC)));
    let replies = events
        .iter()
        .filter(|(kind, number, _)| *kind == CHAT_EVENT_REPLY && *number == request);
    assert_eq!(replies.count(), 1);
    // SAFETY: as above.
    unsafe {
        let mut event = null_mut();
        assert_eq!(chat_client_next_event(ann, -1, &raw mut event), CHAT_CLOSED);
        assert_eq!(chat_client_state(ann), CHAT_STATE_CLOSED);
        let late = chat_client_send(ann, c"lobby".as_ptr(), c"x".as_ptr(), null(), null_mut());
        assert_eq!(late, CHAT_PANIC);
        assert_eq!(chat_client_free(ann), CHAT_OK);

        // The others chat on.
        let sent = chat_client_send(
            bob,
            c"lobby".as_ptr(),
            c"still here".as_ptr(),
            null(),
            &raw mut request,
        );
        assert_eq!(sent, CHAT_OK);
        assert_eq!(reply(bob, request), CHAT_OK);
        assert_eq!(chat_client_free(bob), CHAT_OK);
        assert_eq!(chat_server_free(server), CHAT_OK);
    }
    assert_eq!(TOLD_ON_STDERR.load(Ordering::Relaxed), 0);
}

fn server() -> *mut chat_server {
    // SAFETY: all pointers are good.
    unsafe {
        let mut options: chat_server_options = std::mem::zeroed();
        let size = size_of::<chat_server_options>() as u32;
        assert_eq!(chat_server_options_init(&raw mut options, size), CHAT_OK);
        options.registration = CHAT_REGISTRATION_OPEN;
        let mut server = null_mut();
        assert_eq!(
            chat_server_new(&raw const options, &raw mut server),
            CHAT_OK
        );
        assert_eq!(chat_server_start(server), CHAT_OK);
        server
    }
}

fn client(server: *mut chat_server, name: &CStr) -> *mut chat_client {
    let password: CString = CString::from(c"correct horse battery");
    // SAFETY: all pointers are good.
    unsafe {
        let mut options: chat_client_options = std::mem::zeroed();
        let size = size_of::<chat_client_options>() as u32;
        assert_eq!(chat_client_options_init(&raw mut options, size), CHAT_OK);
        options.server = server;
        options.account = name.as_ptr();
        options.password = password.as_ptr().cast::<c_char>();
        options.register_account = 1;
        let (mut client, mut request) = (null_mut(), 0);
        assert_eq!(
            chat_client_new(&raw const options, &raw mut client),
            CHAT_OK
        );
        assert_eq!(chat_client_connect(client, &raw mut request), CHAT_OK);
        assert_eq!(reply(client, request), CHAT_OK);
        client
    }
}

/// Takes events until the reply, and answers with its status.
fn reply(client: *mut chat_client, request: u64) -> chat_status {
    loop {
        let (kind, number, status) = next(client).expect("it is not closed");
        if (kind, number) == (CHAT_EVENT_REPLY, request) {
            return status;
        }
    }
}

/// Type, request and status of all that comes.
fn events(client: *mut chat_client) -> Vec<(chat_event_type, u64, chat_status)> {
    std::iter::from_fn(|| next(client)).collect()
}

fn next(client: *mut chat_client) -> Option<(chat_event_type, u64, chat_status)> {
    let mut event = null_mut();
    // SAFETY: all pointers are good.
    unsafe {
        match chat_client_next_event(client, 60_000, &raw mut event) {
            CHAT_OK => assert!(!event.is_null(), "nothing came"),
            _ => return None,
        }
        let seen = (
            chat_event_get_type(event),
            chat_event_request(event),
            chat_event_status(event),
        );
        assert_eq!(chat_event_free(event), CHAT_OK);
        Some(seen)
    }
}
