//! Downloads: of files that entries name, and of those that are still coming in.

use super::file::{Fetch, FetchContent, FileWork, Step, may_fetch};
use super::{Asked, Effect, Hub, Load, Pending, storage_refusal};
use crate::id::{BlobId, ConversationId, Seq};
use crate::limits;
use crate::model::{Answer, Code, Content, Fetching, Refusal};
use crate::port::{BlobPlace, Fault};

/// What a download is to bring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub(super) blob: BlobId,
    pub(super) offset: u64,
    pub(super) length: Option<u64>,
    pub(super) window: u32,
}

impl Hub {
    pub(super) fn begin_fetch(
        &mut self,
        asked: Asked,
        wish: Wish,
        out: &mut Vec<Effect>,
    ) -> Result<Option<Answer>, Refusal> {
        self.admit_transfer(asked)?;
        if let Some(upload) = self.files.uploads.get(&wish.blob) {
            let record = &upload.record;
            // After a restart nobody was told of it so far, but members may have been before.
            if !self.may_fetch_incoming(upload, asked.account) {
                return Err(Code::NoSuchBlob.into());
            }
            let fetching = Fetching {
                offset: 0,
                end: 0,
                size: record.size,
                hash: None,
                name: record.name.clone(),
                media_type: record.media_type.clone(),
            };
            let place = (record.conversation, None);
            self.open_content(asked, wish, fetching, wish.blob, place, out)?;
            return Ok(None);
        }
        let pending = Pending::File(Step::Located(asked, wish));
        self.load(Load::Blob(wish.blob), pending, out);
        Ok(None)
    }

    /// Where the blob is named.
    pub(super) fn fetch_located(
        &mut self,
        asked: Asked,
        wish: Wish,
        found: Result<Option<BlobPlace>, Fault>,
        out: &mut Vec<Effect>,
    ) {
        let opened = match found {
            Ok(Some(place)) => self.open_named(asked, wish, &place, out),
            // Whether there is one that it may not see is nobody's business.
            Ok(None) => Err(Code::NoSuchBlob.into()),
            Err(fault) => Err(storage_refusal(&fault)),
        };
        if let Err(refusal) = opened {
            self.answer(asked, Err(refusal), out);
        }
    }

    fn open_named(
        &mut self,
        asked: Asked,
        wish: Wish,
        place: &BlobPlace,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let entry = &place.entry;
        let room = self.rooms.get(&entry.conversation);
        let is_visible = room.is_some_and(|room| may_fetch(room, asked.account, entry.seq));
        let Content::File(offer) = entry.body.content() else {
            return Err(Code::NoSuchBlob.into());
        };
        if !is_visible {
            return Err(Code::NoSuchBlob.into());
        }
        let fetching = Fetching {
            offset: 0,
            end: 0,
            size: offer.size,
            hash: Some(offer.hash),
            name: offer.name,
            media_type: offer.media_type,
        };
        let entry = (entry.conversation, Some(entry.seq));
        self.open_content(asked, wish, fetching, place.content, entry, out)
    }

    fn open_content(
        &mut self,
        asked: Asked,
        wish: Wish,
        mut fetching: Fetching,
        content: BlobId,
        (conversation, entry): (ConversationId, Option<Seq>),
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        if wish.offset > fetching.size {
            let text = format!("the file ends at {}", fetching.size);
            return Err(Refusal::because(Code::BadRequest, text));
        }
        if self.link_of(asked).is_none() {
            return Ok(());
        }
        let group = limits::GROUP_BYTES as u64;
        let end = wish.length.map_or(fetching.size, |length| {
            let end = wish.offset.saturating_add(length);
            end.div_ceil(group).saturating_mul(group).min(fetching.size)
        });
        fetching.offset = wish.offset / group * group;
        fetching.end = end.max(fetching.offset);
        let key = (asked.link, asked.request);
        let fetch = Fetch {
            account: asked.account,
            conversation,
            entry,
            blob: wish.blob,
        };
        self.files.fetches.insert(key, fetch);
        let content = FetchContent {
            blob: content,
            size: fetching.size,
            hash: fetching.hash,
        };
        let (offset, end) = (fetching.offset, fetching.end);
        let ticket = self.ticket(Pending::File(Step::Fetching(asked, Box::new(fetching))));
        out.push(Effect::File(FileWork::Open {
            ticket,
            link: asked.link,
            transfer: asked.request,
            content,
            offset,
            end,
            window: wish.window,
        }));
        Ok(())
    }

    /// The content is open, or can't be opened.
    pub(super) fn fetch_opened(
        &mut self,
        asked: Asked,
        fetching: Fetching,
        opened: Result<(), Fault>,
        out: &mut Vec<Effect>,
    ) {
        let key = (asked.link, asked.request);
        match opened {
            Ok(()) if self.files.fetches.contains_key(&key) => {
                self.answer(asked, Ok(Answer::Fetching(Box::new(fetching))), out);
                out.push(Effect::File(FileWork::Start(asked.link, asked.request)));
            }
            // It may not be read any more.
            Ok(()) => {
                out.push(Effect::File(FileWork::Stop(asked.link, asked.request)));
                self.answer(asked, Err(Code::NoSuchBlob.into()), out);
            }
            Err(fault) => {
                self.files.fetches.remove(&key);
                self.answer(asked, Err(storage_refusal(&fault)), out);
            }
        }
    }
}
