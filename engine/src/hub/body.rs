//! What is looked at in the body of an entry: whether it may be one, and whom it names.

use super::Hub;
use super::sending::Candidate;
use crate::limits;
use crate::model::{AccountName, Body, Code, Extensions, Kind, Refusal, Standing};
use crate::port::DirectoryChange;

impl Hub {
    /// The members that a text names, as far as their mentions are counted.
    pub(super) fn mentions(&self, candidate: &Candidate) -> Vec<DirectoryChange> {
        let mut mentions = Vec::new();
        let body = &candidate.body;
        if body.kind != Kind::TEXT || !body.data.contains(&b'@') {
            return mentions;
        }
        let conversation = candidate.conversation;
        let room = self.rooms.get(&conversation);
        let text = String::from_utf8_lossy(&body.data);
        for word in text.split('@').skip(1).take(limits::MENTIONED) {
            let end = word.find(|c: char| c.is_whitespace() || ",:;!?()".contains(c));
            let name = word[..end.unwrap_or(word.len())].trim_end_matches('.');
            let account = AccountName::new(name).ok();
            let Some(account) = account.and_then(|name| self.accounts.id_of(&name)) else {
                continue;
            };
            let member = room.and_then(|room| room.members.get(&account));
            let counts = match member {
                Some(member) => {
                    member.standing == Standing::In && member.mentions.len() < limits::MENTIONS
                }
                // The first entry of a direct conversation makes its members.
                None => candidate.other == Some(account),
            };
            let mention = DirectoryChange::Mention(conversation, account);
            if counts && account != candidate.from && !mentions.contains(&mention) {
                mentions.push(mention);
            }
        }
        mentions
    }
}

/// What every server checks of a body, whoever sends it.
pub(super) fn check_body(body: &Body) -> Result<(), Refusal> {
    if body.extensions.encoded_len() > limits::EXTENSION_BYTES {
        return Err(Refusal::because(
            Code::TooLong,
            "the extensions of an entry are too long",
        ));
    }
    if body.extensions.get(Extensions::DELETED).is_some() || body.blob.is_some() {
        return Err(Refusal::because(
            Code::BadRequest,
            "only the server may set that",
        ));
    }
    let limit = match body.kind {
        Kind::TEXT | Kind::EDIT => limits::TEXT_BYTES,
        Kind::REDACTION => 0,
        Kind::REACTION => limits::REACTION_BYTES,
        Kind::TOPIC => limits::TOPIC_BYTES,
        Kind::FILE | Kind::MEMBER => {
            return Err(Refusal::because(
                Code::BadRequest,
                "only the server makes such entries",
            ));
        }
        // Kinds that clients agree on among themselves.
        Kind(32..) => limits::TEXT_BYTES,
        _ => return Err(Code::NotSupported.into()),
    };
    if body.data.len() > limit {
        let text = format!(
            "the text has {} bytes, and {limit} are allowed",
            body.data.len()
        );
        return Err(Refusal::because(Code::TooLong, text));
    }
    if body.kind.0 < 32 && std::str::from_utf8(&body.data).is_err() {
        return Err(Refusal::because(Code::BadRequest, "the text is not UTF-8"));
    }
    if matches!(body.kind, Kind::TEXT | Kind::EDIT) && body.data.is_empty() {
        return Err(Code::Empty.into());
    }
    let needs_target = matches!(body.kind, Kind::EDIT | Kind::REDACTION | Kind::REACTION);
    if needs_target && body.target.is_none() {
        return Err(Code::NoSuchEntry.into());
    }
    Ok(())
}
