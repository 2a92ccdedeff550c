//! Entries, gaps, positions, credit and what is told of them.

use super::desk::*;
use crate::agent::{Command, Event, Setup};
use crate::error::{Error, Violation};
use crate::id::{Epoch, Seq};
use crate::limits;
use crate::model::{
    AccountName, Conversation, GapReason, Position, Presence, PresenceState, ToClient, ToServer,
};
use crate::port::{ProfileChange, ProfileState};

fn gap(epoch: Epoch, from: u64, to: u64, reason: GapReason) -> ToClient {
    ToClient::Gap {
        conversation: LOBBY,
        epoch,
        from: Seq(from),
        to: Seq(to),
        reason,
    }
}

fn at(seq: u64) -> Position {
    Position {
        conversation: LOBBY,
        epoch: EPOCH,
        seq: Seq(seq),
    }
}

fn knows(seq: u64) -> Setup {
    let state = ProfileState {
        positions: vec![at(seq)],
        ..ProfileState::default()
    };
    Setup { state, ..setup() }
}

/// The positions that the last login told.
fn resumed(desk: &mut Desk) -> Vec<Position> {
    let mut all = Vec::new();
    for frame in std::mem::take(&mut desk.sent) {
        if let ToServer::Resume(resume) = frame {
            all.extend(resume.positions);
            if !resume.more {
                return all;
            }
        }
    }
    panic!("no resume");
}

fn saved(desk: &Desk) -> Option<Position> {
    desk.disk.iter().rev().find_map(|change| match change {
        ProfileChange::SetPosition(position) => Some(*position),
        _ => None,
    })
}

fn delivered(desk: &mut Desk) -> Vec<u64> {
    let sent = std::mem::take(&mut desk.sent).into_iter();
    sent.filter_map(|frame| match frame {
        ToServer::Delivered(cursors) => Some(cursors[0].1.0),
        _ => None,
    })
    .collect()
}

#[test]
fn entries_come_once_and_in_order() {
    let mut desk = Desk::at_work(setup(), 0);
    desk.frame(entry(1, "a"));
    desk.frame(entry(2, "b"));
    desk.frame(entry(2, "b"));
    desk.frame(entry(1, "a"));
    desk.frame(entry_after(
        2,
        9,
        "holes in the numbers are no holes in the log",
    ));
    assert_eq!(seqs(&desk.events()), [1, 2, 9]);
}

#[test]
fn an_entry_after_one_that_did_not_come_ends_the_link_and_is_read_again() {
    let mut desk = Desk::at_work(setup(), 0);
    desk.frame(entry(1, "a"));
    desk.frame(entry_after(2, 3, "c"));
    assert!(desk.link.is_none());
    let events = desk.events();
    assert_eq!(seqs(&events), [1]);
    let sequence = Error::Peer(Violation::Sequence);
    assert!(matches!(events.last(), Some(Event::Reconnecting { error, .. }) if *error == sequence));
    desk.come_back();
    assert_eq!(resumed(&mut desk), [at(1)]);
    desk.list(vec![lobby(0)]);
    desk.frame(entry(2, "b"));
    desk.frame(entry(3, "c"));
    assert_eq!(seqs(&desk.events()), [2, 3]);
}

#[test]
fn an_entry_of_a_conversation_that_nobody_named_ends_the_link() {
    let mut desk = Desk::new(setup());
    desk.log_in();
    desk.frame(entry(1, "a"));
    assert!(desk.link.is_none());
}

#[test]
fn a_resume_goes_on_behind_what_came_even_if_it_was_not_taken() {
    let mut desk = Desk::at_work(knows(4), 4);
    desk.frame(entry(5, "e"));
    desk.frame(entry(6, "f"));
    desk.cut();
    desk.come_back();
    assert_eq!(resumed(&mut desk), [at(6)]);
    desk.list(vec![lobby(0)]);
    desk.frame(entry(7, "g"));
    assert_eq!(seqs(&desk.events()), [5, 6, 7]);
}

#[test]
fn many_positions_are_told_in_several_frames() {
    let positions = (0..limits::RESUME_ITEMS as u16 + 1).map(|number| {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        let conversation = crate::id::ConversationId(id);
        Position {
            conversation,
            ..at(1)
        }
    });
    let positions = Some(positions.collect());
    let mut desk = Desk::new(Setup {
        positions,
        ..setup()
    });
    desk.log_in();
    let lengths: Vec<_> = desk
        .sent
        .iter()
        .filter_map(|frame| match frame {
            ToServer::Resume(resume) => Some((resume.positions.len(), resume.more)),
            _ => None,
        })
        .collect();
    assert_eq!(lengths, [(limits::RESUME_ITEMS, true), (1, false)]);
}

#[test]
fn a_position_is_saved_only_after_the_application_took_the_entry() {
    let mut desk = Desk::at_work(knows(4), 4);
    desk.frame(entry(5, "e"));
    desk.pass(limits::POSITION_WRITE * 2);
    assert_eq!(saved(&desk), None);
    assert!(matches!(desk.take(), Some(Event::Entry { .. })));
    desk.pass(limits::POSITION_WRITE * 2);
    assert_eq!(
        saved(&desk),
        None,
        "it holds the entry, and may crash over it"
    );
    assert_eq!(desk.take(), None);
    desk.wait();
    assert_eq!(saved(&desk), Some(at(5)));
}

#[test]
fn the_last_positions_are_saved_before_the_end() {
    let mut desk = Desk::at_work(knows(4), 4);
    desk.frame(entry(5, "e"));
    desk.command(Command::Leave { flush: true }).unwrap();
    assert_eq!(saved(&desk), None);
    let events = desk.events();
    assert_eq!(seqs(&events), [5]);
    assert!(matches!(events.last(), Some(Event::Closed { .. })));
    assert_eq!(saved(&desk), Some(at(5)));
}

#[test]
fn an_application_that_takes_nothing_does_not_hold_up_the_end() {
    let mut desk = Desk::at_work(knows(4), 4);
    desk.frame(entry(5, "e"));
    desk.command(Command::Leave { flush: false }).unwrap();
    assert!(!desk.agent.is_closed());
    desk.wait();
    assert!(desk.agent.is_closed());
    assert_eq!(saved(&desk), None);
    assert_eq!(seqs(&desk.events()), [5]);
}

#[test]
fn a_gap_moves_the_position() {
    let mut desk = Desk::at_work(knows(4), 4);
    desk.frame(gap(EPOCH, 5, 20, GapReason::Trimmed));
    desk.frame(entry(21, "u"));
    desk.frame(gap(EPOCH, 5, 20, GapReason::Trimmed));
    let events = desk.events();
    assert!(matches!(
        &events[..],
        [Event::Gap { to: Seq(20), .. }, Event::Entry { .. }]
    ));
    desk.cut();
    desk.come_back();
    assert_eq!(resumed(&mut desk), [at(21)]);
}

#[test]
fn a_new_epoch_is_read_from_its_start_after_the_gap() {
    let mut desk = Desk::new(knows(40));
    desk.log_in();
    let epoch = Epoch(6);
    let restored = Conversation { epoch, ..lobby(3) };
    desk.list(vec![restored.clone()]);
    desk.cut();
    desk.come_back();
    let again = resumed(&mut desk);
    assert_eq!(again, [at(40)], "the gap did not come yet");
    desk.list(vec![restored]);
    desk.frame(gap(epoch, 0, 0, GapReason::Restored));
    desk.frame(entry(1, "a"));
    let events = desk.events();
    assert!(events.iter().any(|event| matches!(
        event,
        Event::Gap {
            reason: GapReason::Restored,
            ..
        }
    )));
    assert_eq!(seqs(&events), [1]);
    desk.wait();
    let place = Position { epoch, ..at(1) };
    assert!(delivered(&mut desk).iter().all(|seq| *seq == 1));
    desk.pass(limits::POSITION_WRITE);
    assert_eq!(saved(&desk), Some(place));
}

#[test]
fn a_new_device_starts_where_the_server_says() {
    let mut desk = Desk::at_work(setup(), 50);
    desk.frame(gap(EPOCH, 1, 50, GapReason::Skipped));
    desk.frame(entry(51, "x"));
    let events = desk.events();
    assert!(matches!(
        &events[..],
        [Event::Gap { .. }, Event::Entry { .. }]
    ));
}

#[test]
fn a_conversation_that_the_server_forgot_loses_its_position() {
    let mut desk = Desk::new(knows(4));
    desk.log_in();
    desk.list(Vec::new());
    assert_eq!(desk.disk.last(), Some(&ProfileChange::DropPosition(LOBBY)));
    desk.cut();
    desk.sent.clear();
    desk.come_back();
    assert_eq!(resumed(&mut desk), []);
}

#[test]
fn delivered_is_told_once_a_second_for_what_was_taken() {
    let mut desk = Desk::at_work(knows(4), 4);
    desk.pass(limits::DELIVERED_MERGE);
    desk.sent.clear();
    for seq in 5..8 {
        desk.frame(entry(seq, "x"));
    }
    assert_eq!(seqs(&desk.events()), [5, 6, 7]);
    assert!(delivered(&mut desk).is_empty());
    desk.pass(limits::DELIVERED_MERGE);
    assert_eq!(delivered(&mut desk), [7]);
    desk.pass(limits::DELIVERED_MERGE);
    assert!(delivered(&mut desk).is_empty());
}

#[test]
fn delivered_is_told_at_once_after_many_entries() {
    let mut desk = Desk::at_work(setup(), 0);
    for seq in 1..=u64::from(limits::DELIVERED_ENTRIES) {
        desk.frame(entry(seq, "x"));
    }
    desk.events();
    assert_eq!(delivered(&mut desk), [u64::from(limits::DELIVERED_ENTRIES)]);
}

#[test]
fn delivered_is_told_again_after_a_resume() {
    let mut desk = Desk::at_work(knows(4), 4);
    desk.frame(entry(5, "e"));
    desk.events();
    desk.pass(limits::DELIVERED_MERGE);
    desk.cut();
    desk.sent.clear();
    desk.come_back();
    assert!(
        delivered(&mut desk).is_empty(),
        "the epoch is not known yet"
    );
    desk.list(vec![lobby(5)]);
    assert_eq!(delivered(&mut desk), [5]);
    desk.pass(limits::DELIVERED_MERGE);
    assert!(delivered(&mut desk).is_empty());
}

fn credits(desk: &mut Desk) -> u64 {
    let sent = std::mem::take(&mut desk.sent).into_iter();
    sent.map(|frame| match frame {
        ToServer::Credit(bytes) => bytes,
        _ => 0,
    })
    .sum()
}

#[test]
fn credit_is_renewed_in_steps_as_the_application_takes_entries() {
    let mut desk = Desk::at_work(setup(), 0);
    let text = "x".repeat(15_872);
    let mut seq = 0;
    while seq * 16_000 < limits::CREDIT_STEP + 16_000 {
        seq += 1;
        desk.frame(entry(seq, &text));
    }
    assert_eq!(credits(&mut desk), 0, "nothing was taken");
    let taken = desk.events().len() as u64;
    let renewed = credits(&mut desk);
    assert!(renewed >= limits::CREDIT_STEP && renewed <= taken * 16_000);
}

#[test]
fn more_entries_than_the_credit_end_the_link() {
    let mut desk = Desk::new(setup());
    desk.credit = 1000;
    desk.log_in();
    desk.list(vec![lobby(0)]);
    for seq in 1..=20 {
        if desk.link.is_some() {
            desk.frame(entry(seq, "x"));
        }
    }
    let credit = Error::Peer(Violation::Credit);
    assert!(
        matches!(desk.events().last(), Some(Event::Reconnecting { error, .. })
        if *error == credit)
    );
}

#[test]
fn entries_of_an_earlier_link_do_not_renew_the_credit_of_this_one() {
    let mut desk = Desk::at_work(setup(), 0);
    let text = "x".repeat(15_872);
    for seq in 1..=8 {
        desk.frame(entry(seq, &text));
    }
    desk.cut();
    desk.come_back();
    desk.list(vec![lobby(0)]);
    desk.sent.clear();
    assert_eq!(seqs(&desk.events()).len(), 8);
    assert_eq!(credits(&mut desk), 0);
}

fn online(number: usize, state: PresenceState) -> ToClient {
    ToClient::Presence(vec![Presence {
        account: AccountName::new(&format!("user{number}")).unwrap(),
        state,
        text: String::new(),
        reason: None,
    }])
}

#[test]
fn a_slow_application_loses_signals_but_no_entry() {
    let mut desk = Desk::at_work(setup(), 0);
    for number in 0..limits::EVENTS {
        desk.frame(online(number, PresenceState::Online));
    }
    desk.frame(online(7, PresenceState::Away));
    desk.frame(online(limits::EVENTS, PresenceState::Online));
    desk.frame(entry(1, "a"));
    let events = desk.events();
    assert_eq!(events[0], Event::SignalsDropped(2));
    assert!(
        matches!(&events[8], Event::Presence(presence)
        if presence.state == PresenceState::Away),
        "the latest state wins"
    );
    assert_eq!(events.len(), limits::EVENTS + 2);
    assert_eq!(seqs(&events), [1]);
}
