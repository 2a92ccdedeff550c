//! Requests of links: each gets one answer, at once or when the store has answered.

use super::download::Wish;
use super::{Effect, Hub};
use crate::id::{AccountId, LinkId, RequestId};
use crate::limits;
use crate::model::{Answer, Code, Refusal, Request, ToClient};

/// Who asked what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) link: LinkId,
    pub(super) account: AccountId,
    pub(super) request: RequestId,
}

impl Hub {
    pub(super) fn handle_request(
        &mut self,
        id: LinkId,
        request: RequestId,
        wish: Request,
        out: &mut Vec<Effect>,
    ) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let is_list = matches!(
            wish,
            Request::Rooms { .. }
                | Request::Members { .. }
                | Request::Who { .. }
                | Request::Conversations { .. }
                | Request::Receipts { .. }
        );
        if link.requests >= limits::REQUESTS || is_list && !link.may_list(self.now.time) {
            let refusal = Refusal::new(Code::Busy).retry_in(1000);
            out.push(Effect::Send(id, ToClient::Error(request, refusal)));
            return;
        }
        link.requests += 1;
        let asked = Asked {
            link: id,
            account: link.account,
            request,
        };
        let answer = match wish {
            Request::Create {
                room,
                public,
                history,
            } => self.create_room(asked, &room, public, history, out),
            Request::Change {
                target,
                account,
                change,
                role,
                seconds,
            } => self.change_member(asked, &target, account.as_ref(), change, role, seconds, out),
            Request::Rooms { after } => Ok(Some(self.list_rooms(asked, after.as_deref()))),
            Request::Members { target, after } => self
                .list_members(asked, &target, after.as_deref())
                .map(Some),
            Request::Who { after } => Ok(Some(self.list_who(asked, after.as_deref()))),
            Request::History {
                target,
                from,
                limit,
            } => self.read_history(asked, &target, from, limit, out),
            Request::Search {
                target,
                text,
                after,
            } => self.search(asked, target.as_ref(), text, after.as_deref(), out),
            Request::Conversations { after } => {
                Ok(Some(self.list_conversations(asked, after.as_deref())))
            }
            Request::Read { target, seq } => self.mark_read(asked, &target, seq, out),
            Request::Receipts { target } => self.list_receipts(asked, &target).map(Some),
            Request::Devices => Ok(Some(self.list_devices(asked))),
            Request::Revoke { device } => self.revoke_device(asked, device, out),
            Request::Password {
                old,
                new,
                keep_devices,
            } => self.change_password(asked, old, new, keep_devices, out),
            Request::Command { target, name, args } => {
                self.run_command(asked, target.as_ref(), name, args, out)
            }
            Request::Commands => Ok(Some(self.list_commands())),
            Request::Upload(upload) => self.begin_upload(asked, upload, out),
            Request::Finish { transfer, hash } => self.finish_upload(asked, transfer, hash, out),
            Request::Abandon { id } => self.abandon_upload(asked, id, out),
            Request::Fetch {
                blob,
                offset,
                length,
                window,
            } => {
                let wish = Wish {
                    blob,
                    offset,
                    length,
                    window,
                };
                self.begin_fetch(asked, wish, out)
            }
        };
        match answer {
            Ok(Some(answer)) => self.answer(asked, Ok(answer), out),
            // It will be answered when the store did.
            Ok(None) => {}
            Err(refusal) => self.answer(asked, Err(refusal), out),
        }
    }

    /// Answers a request, if its link is still there.
    pub(super) fn answer(
        &mut self,
        asked: Asked,
        answer: Result<Answer, Refusal>,
        out: &mut Vec<Effect>,
    ) {
        let Some(link) = self.links.get_mut(asked.link) else {
            return;
        };
        link.requests = link.requests.saturating_sub(1);
        out.push(Effect::Send(
            asked.link,
            match answer {
                Ok(answer) => ToClient::Answer(asked.request, answer),
                Err(refusal) => ToClient::Error(asked.request, refusal),
            },
        ));
    }
}
