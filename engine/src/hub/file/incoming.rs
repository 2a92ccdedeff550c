//! Files that are on their way, told to those who will get them.

use super::{Phase, Upload};
use crate::hub::{Effect, Hub};
use crate::id::{AccountId, BlobId, LinkId};
use crate::model::{Incoming, ToClient};

impl Hub {
    /// Tells those who are there that a file comes, or that it won't.
    pub(in crate::hub) fn announce(&mut self, blob: BlobId, is_over: bool, out: &mut Vec<Effect>) {
        let Some(upload) = self.files.uploads.get_mut(&blob) else {
            return;
        };
        // Who never heard of it need not hear of its end, and nobody hears twice.
        if upload.announced != is_over {
            return;
        }
        upload.announced = true;
        let own = match upload.phase {
            Phase::Running(link, _) => Some(link),
            _ => None,
        };
        let Some(upload) = self.files.uploads.get(&blob) else {
            return;
        };
        let Some(incoming) = self.incoming(upload, is_over) else {
            return;
        };
        let links = self.links_of_incoming(upload);
        for link in links.into_iter().filter(|link| Some(*link) != own) {
            out.push(Effect::Send(link, ToClient::Incoming(incoming.clone())));
        }
    }

    /// Tells a link of the files that are coming in where it is a member.
    pub(in crate::hub) fn announce_to(
        &self,
        id: LinkId,
        account: AccountId,
        out: &mut Vec<Effect>,
    ) {
        for upload in self.files.uploads.values().filter(|held| held.announced) {
            if upload.record.account != account
                && self.may_fetch_incoming(upload, account)
                && let Some(incoming) = self.incoming(upload, false)
            {
                out.push(Effect::Send(id, ToClient::Incoming(incoming)));
            }
        }
    }

    /// Whether an account may read what is there of an upload.
    pub(in crate::hub) fn may_fetch_incoming(&self, upload: &Upload, account: AccountId) -> bool {
        let record = &upload.record;
        match self.rooms.get(&record.conversation) {
            Some(room) => room.is_in(account),
            // A direct conversation that its entry will begin.
            None => record.account == account || record.other == Some(account),
        }
    }

    /// Who is there and hears of an upload.
    fn links_of_incoming(&self, upload: &Upload) -> Vec<LinkId> {
        let record = &upload.record;
        if let Some(room) = self.rooms.get(&record.conversation) {
            let seats = room.seats.iter().filter(|seat| room.is_in(seat.account));
            return seats.map(|seat| seat.link).collect();
        }
        // The sender's other devices could not tell whom a conversation is with that there is not yet.
        let other = record.other.filter(|other| *other != record.account);
        let Some(other) = other.and_then(|other| self.accounts.get(other)) else {
            return Vec::new();
        };
        // A link whose streams do not run yet is told when they do.
        let runs = |link: &LinkId| {
            self.links
                .get(*link)
                .is_some_and(|link| link.positions.is_none())
        };
        other.links.iter().copied().filter(runs).collect()
    }

    fn incoming(&self, upload: &Upload, is_over: bool) -> Option<Incoming> {
        let record = &upload.record;
        let from = self.accounts.get(record.account)?;
        Some(Incoming {
            conversation: record.conversation,
            blob: record.blob,
            from: from.record.name.clone(),
            name: record.name.clone(),
            size: record.size,
            media_type: record.media_type.clone(),
            is_over,
        })
    }
}
