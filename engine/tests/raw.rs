//! A client made of nothing but the pure layers talks to a real server over a real socket.

#[expect(dead_code, reason = "other tests need more of it")]
mod raw_client;

use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use chat_engine::*;

use raw_client::{Raw, dial, lobby, send_id, serve_in};

#[test]
fn two_raw_clients_talk_in_the_lobby() {
    let server = serve_in(StorePlace::Memory, |_| ());
    let mut ann = Raw::enter(dial(&server), "ann", 1);
    let mut bob = Raw::enter(dial(&server), "bob", 2);
    bob.hear_until(|message| match message {
        ToClient::Entry(entry) if entry.from_name.as_str() == "bob" => Some(()),
        _ => None,
    });
    let id = send_id(3);
    ann.say(&ToServer::Send(Send {
        request: RequestId(1),
        target: lobby(),
        id,
        again: false,
        body: Body::text("hi bob", None),
    }));
    let acked = ann.hear_until(|message| match message {
        ToClient::Ack { seq, id: acked, .. } if acked == id => Some(seq),
        ToClient::Error(_, refusal) => panic!("refused: {refusal:?}"),
        _ => None,
    });
    let heard = bob.hear_until(|message| match message {
        ToClient::Entry(entry) if entry.id == id => Some(entry),
        _ => None,
    });
    assert_eq!(
        (heard.seq, heard.body.data.as_slice()),
        (acked, b"hi bob".as_slice())
    );

    pollster::block_on(server.drain());
    let reason = bob.hear_until(|message| match message {
        ToClient::Bye(reason, _) => Some(reason),
        _ => None,
    });
    assert_eq!(reason, ByeReason::Shutdown);
    server.stop();
}

/// A peer that asked for more than it reads could not be closed: the link's task looked at nothing but
/// the stream, which never took the rest. It kept its descriptor for as long as it sent pings, and by
/// logging in again and again a single account could hold all of them.
#[test]
fn a_link_that_never_reads_ends_when_its_device_comes_again() {
    let server = serve_in(StorePlace::Memory, |_| ());
    let (near, far) = UnixStream::pair().unwrap();
    near.set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let far = async_io::Async::new(far).unwrap();
    let serving = Server::clone(&server);
    let link = std::thread::spawn(move || pollster::block_on(serving.serve_stream(far, None)));
    let mut deaf = Raw::enter(near, "ann", 1);
    // As large as a frame of a conduit may be that does not know of the login.
    let text = "x".repeat(limits::LOGIN_FRAME_BYTES - 200);
    for number in 1..=6 {
        let id = send_id(number);
        deaf.say(&ToServer::Send(Send {
            request: RequestId(number.into()),
            target: lobby(),
            id,
            again: false,
            body: Body::text(&text, None),
        }));
        deaf.hear_until(|message| {
            matches!(message, ToClient::Ack { id: acked, .. } if acked == id).then_some(())
        });
    }
    for number in 0..limits::REQUESTS as u32 {
        let wish = Request::History {
            target: lobby(),
            from: HistoryFrom::End,
            limit: 100,
        };
        deaf.say(&ToServer::Request(RequestId(10 + number), wish));
    }
    // Nothing is read any more; the socket takes a small part of what was asked for.
    let mut again = Raw::enter(dial(&server), "ann", 1);
    let began = Instant::now();
    link.join().unwrap();
    let took = began.elapsed();
    assert!(took < limits::DEAD_AFTER / 2, "only silence ended it");

    again.say(&ToServer::Bye);
    server.stop();
}
