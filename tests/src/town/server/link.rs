//! Its links: streams, what is sealed into them, and what waits.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use chat_engine::error::{Error, LinkFault, Violation};
use chat_engine::hub::Input;
use chat_engine::{
    ByeReason, Code, LinkId, RequestId, SendId, Time, ToClient, ToServer, limits, wire,
};

use super::super::end::{ServerEnd, ServerNews};
use super::super::net::Side;
use super::super::world::{Due, World};

/// A link, from its stream to the hub.
pub(super) struct ServerLink {
    pub(super) id: LinkId,
    pub(super) conn: usize,
    pub(super) end: ServerEnd,
    control: VecDeque<Arc<[u8]>>,
    text: VecDeque<Arc<[u8]>>,
    bytes: usize,
    /// Sealed, and waiting for room in the stream.
    sealed: Vec<u8>,
    /// Bytes of entries that were pushed and not renewed.
    open: u64,
    lags: bool,
    pub(super) closing: Option<Option<(ByeReason, String)>>,
    ending: Option<Time>,
    armed: Option<Time>,
    /// What was sent over it, to know what is refused.
    pub(super) sends: HashMap<RequestId, SendId>,
    /// Records of the server, where links are sealed.
    records: u64,
}

impl World {
    /// A stream was accepted; it has a place in the hub from now on.
    pub(in crate::town) fn accept(&mut self, index: usize) -> bool {
        let now = self.time;
        let Some(up) = &mut self.server.running else {
            return false;
        };
        let end = match self.rekey {
            Some(rekey) => {
                let mut seed = [0; 32];
                self.server.rng.fill(&mut seed);
                ServerEnd::sealed(Arc::clone(&self.server.key), seed, rekey, now)
            }
            None => ServerEnd::plain(now),
        };
        up.generation += 1;
        let free = up.slots.iter().position(Option::is_none);
        let slot = free.unwrap_or_else(|| {
            up.slots.push(None);
            up.slots.len() - 1
        });
        let id = LinkId(up.generation << 32 | slot as u64);
        up.slots[slot] = Some(ServerLink {
            id,
            conn: index,
            end,
            control: VecDeque::new(),
            text: VecDeque::new(),
            bytes: 0,
            sealed: Vec::new(),
            open: 0,
            lags: false,
            closing: None,
            ending: None,
            armed: None,
            sends: HashMap::new(),
            records: 0,
        });
        let conn = &mut self.conns[index];
        (conn.age, conn.slot) = (self.server.age, slot);
        self.feed(Input::Accepted {
            link: id,
            from: 0,
            address: String::new(),
        });
        self.watch_link(slot);
        true
    }

    pub(in crate::town) fn server_bytes(&mut self, index: usize, bytes: &[u8]) {
        let now = self.time;
        let Some(slot) = self.slot_of(index) else {
            return;
        };
        let Some(link) = self.slot_mut(slot) else {
            return;
        };
        // Once the hub ends the link, what still comes is nobody's.
        if link.ending.is_some() {
            return;
        }
        let id = link.id;
        let mut end = link.end.handle_bytes(bytes, now).err().map(Some);
        let mut news = Vec::new();
        while end.is_none() {
            match link.end.poll_news() {
                Ok(None) => break,
                Ok(Some(ServerNews::Bye)) => end = Some(None),
                Ok(Some(other)) => news.push(other),
                Err(error) => end = Some(Some(error)),
            }
        }
        for news in news {
            let input = match news {
                ServerNews::Login(key, login) => Input::Login {
                    link: id,
                    key,
                    login,
                },
                ServerNews::Frame(message) => {
                    self.heard(id, &message);
                    Input::Frame { link: id, message }
                }
                ServerNews::Bye => continue,
            };
            self.feed(input);
        }
        match end {
            None => self.flush_server(index),
            Some(None) => self.end_link(slot, ByeReason::Left),
            Some(Some(error)) => self.fail_link(slot, &error),
        }
    }

    pub(in crate::town) fn server_broken(&mut self, index: usize) {
        if let Some(slot) = self.slot_of(index) {
            self.end_link(slot, ByeReason::Lost);
        }
        self.hang_up(index, Side::Server);
    }

    pub(in crate::town) fn link_time(&mut self, slot: usize) {
        let now = self.time;
        let Some(link) = self.slot_mut(slot) else {
            return;
        };
        link.armed = None;
        if link.ending.is_some_and(|ending| now >= ending) {
            return self.end_link(slot, ByeReason::Lost);
        }
        let due = link.end.poll_timeout().is_some_and(|due| due <= now);
        let index = link.conn;
        if due && let Err(error) = link.end.handle_timeout(now) {
            return self.fail_link(slot, &error);
        }
        self.flush_server(index);
    }

    fn fail_link(&mut self, slot: usize, error: &Error) {
        let reason = match error {
            Error::Link(LinkFault::Timeout) => ByeReason::Timeout,
            Error::Peer(Violation::Deadline) => ByeReason::Violation,
            Error::Peer(_) | Error::Version | Error::Misuse(_) | Error::Internal(_) => {
                self.witness
                    .complain(format!("a server's link ended with: {error}"));
                ByeReason::Violation
            }
            _ => ByeReason::Lost,
        };
        self.end_link(slot, reason);
    }

    /// A link is over: the stream is closed, and the hub is told.
    fn end_link(&mut self, slot: usize, reason: ByeReason) {
        let Some(link) = self.slot_mut(slot) else {
            return;
        };
        let (id, index) = (link.id, link.conn);
        self.note(|| format!("the server's link {id} of conn {index} is over: {reason:?}"));
        self.hang_up(index, Side::Server);
        self.feed(Input::Gone { link: id, reason });
        // Only now may the place be used again: the hub has forgotten the link.
        if let Some(up) = &mut self.server.running {
            up.slots[slot] = None;
        }
    }

    /// Moves what waits for a link into its stream, as far as that takes it.
    pub(in crate::town) fn flush_server(&mut self, index: usize) {
        let now = self.time;
        let Some(slot) = self.slot_of(index) else {
            return;
        };
        let rekey = self.rekey;
        let Some(link) = self.slot_mut(slot) else {
            return;
        };
        let mut outcome = link.end.poll_transmit(&mut link.sealed, now);
        if link.sealed.is_empty() && outcome.is_ok() {
            let mut frames = std::mem::take(&mut link.control);
            frames.append(&mut link.text);
            link.bytes = 0;
            if let Some(bye) = &link.closing
                && link.ending.is_none()
            {
                if let Some((reason, text)) = bye
                    && link.end.is_sealed()
                {
                    let bye = ToClient::Bye(*reason, text.clone());
                    let mut frame = Vec::new();
                    let _ = wire::encode_to_client(&bye, &mut frame);
                    frames.push_back(frame.into());
                }
                link.ending = Some(now + limits::BYE_WAIT);
            }
            if !frames.is_empty() {
                outcome = link.end.seal(&frames, &mut link.sealed, now);
                link.records += u64::from(link.end.is_sealed());
            }
        }
        let rekeyed = rekey.is_some_and(|rekey| link.records == rekey + 2);
        let mut sealed = std::mem::take(&mut link.sealed);
        self.tally.rekey += u32::from(rekeyed);
        self.write_some(index, Side::Client, &mut sealed);
        let Some(link) = self.slot_mut(slot) else {
            return;
        };
        let is_flushed = link.ending.is_some() && sealed.is_empty();
        link.sealed = sealed;
        match outcome {
            Err(error) => self.fail_link(slot, &error),
            Ok(()) if is_flushed => self.end_link(slot, ByeReason::Lost),
            Ok(()) => self.watch_link(slot),
        }
    }

    fn watch_link(&mut self, slot: usize) {
        let Some(link) = self.slot_mut(slot) else {
            return;
        };
        let due = link.end.poll_timeout().into_iter().chain(link.ending).min();
        if let Some(due) = due
            && link.armed.is_none_or(|armed| due < armed)
        {
            link.armed = Some(due);
            let at = due.max(self.time);
            let age = self.server.age;
            self.agenda.put(at, Due::LinkTime(age, slot));
        }
    }

    pub(super) fn push(
        &mut self,
        id: LinkId,
        control: bool,
        frame: Arc<[u8]>,
        touched: &mut Vec<LinkId>,
    ) {
        let Some(link) = self.link_mut(id) else {
            return;
        };
        if link.closing.is_some() {
            return;
        }
        link.bytes += frame.len();
        let bytes = link.bytes;
        if control {
            link.control.push_back(frame);
        } else {
            link.text.push_back(frame);
        }
        if !touched.contains(&id) {
            touched.push(id);
        }
        if bytes > limits::OUTLET_BYTES {
            self.witness.complain("an outlet overflows");
        }
    }

    /// An entry goes to a link, on its credit.
    pub(super) fn charge(&mut self, id: LinkId, cost: u64) {
        let Some(link) = self.link_mut(id) else {
            return;
        };
        link.open += cost;
        let lags = link.open + limits::READ_CREDIT > limits::ENTRY_CREDIT;
        let began = lags && !std::mem::replace(&mut link.lags, lags);
        let beyond = link.open > limits::ENTRY_CREDIT;
        self.tally.lagging += u32::from(began);
        if beyond {
            self.witness
                .complain("entries are pushed beyond the credit");
        }
    }

    fn heard(&mut self, id: LinkId, message: &ToServer) {
        match message {
            ToServer::Credit(bytes) => {
                if let Some(link) = self.link_mut(id) {
                    link.open = link.open.saturating_sub(*bytes);
                    link.lags = false;
                }
            }
            ToServer::Send(send) => {
                self.tally.resend += u32::from(send.again);
                if let Some(link) = self.link_mut(id) {
                    link.sends.insert(send.request, send.id);
                }
            }
            _ => {}
        }
        self.note(|| match message {
            ToServer::Send(send) => format!(
                "server hears on {id}: send {} {} again={} to {:?}",
                send.request, send.id, send.again, send.target
            ),
            other => {
                let text = format!("server hears on {id}: {other:?}");
                text.chars().take(300).collect()
            }
        });
    }

    pub(super) fn count(&mut self, id: LinkId, message: &ToClient) {
        if let ToClient::Error(request, refusal) = message {
            self.tally.after_refused += u32::from(refusal.code == Code::AfterRefused);
            let send = self.link_mut(id).and_then(|link| link.sends.get(request));
            if let Some(send) = send.copied()
                && !refusal.is_retryable()
            {
                self.witness.refuses(send);
            }
        }
        self.note(|| {
            let text = format!("server says on {id}: {message:?}");
            text.chars().take(300).collect()
        });
    }

    fn slot_of(&self, index: usize) -> Option<usize> {
        let conn = &self.conns[index];
        (conn.age == self.server.age && conn.server_open).then_some(conn.slot)
    }

    fn slot_mut(&mut self, slot: usize) -> Option<&mut ServerLink> {
        self.server.running.as_mut()?.slots.get_mut(slot)?.as_mut()
    }

    pub(super) fn link_mut(&mut self, id: LinkId) -> Option<&mut ServerLink> {
        let slot = (id.0 & u64::from(u32::MAX)) as usize;
        self.slot_mut(slot).filter(|link| link.id == id)
    }

    /// The link over which something was sent.
    pub(super) fn link_of_send(&self, id: SendId) -> Option<LinkId> {
        let slots = self.server.running.iter().flat_map(|up| &up.slots);
        let mut links = slots.flatten();
        let its = |link: &&ServerLink| link.sends.values().any(|send| *send == id);
        links.find(its).map(|link| link.id)
    }
}
