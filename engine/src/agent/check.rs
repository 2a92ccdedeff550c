//! What can be said of a wish before anybody is asked.

use crate::error::Misuse;
use crate::limits;
use crate::model::{Body, Kind, Request};

pub(super) fn check_body(body: &Body) -> Result<(), Misuse> {
    let limit = match body.kind {
        Kind::TOPIC => limits::TOPIC_BYTES,
        Kind::REACTION => limits::REACTION_BYTES,
        _ => limits::TEXT_BYTES,
    };
    if body.data.len() > limit {
        return Err(Misuse::TooLong(limit));
    }
    if body.extensions.encoded_len() > limits::EXTENSION_BYTES {
        return Err(Misuse::TooLong(limits::EXTENSION_BYTES));
    }
    if body.data.is_empty() && matches!(body.kind, Kind::TEXT | Kind::EDIT) {
        return Err(Misuse::Empty);
    }
    Ok(())
}

/// What would not fit a frame is refused here; the rules are the server's.
pub(super) fn check_request(request: &Request) -> Result<(), Misuse> {
    let check = |text: &str, limit: usize| {
        let fits = text.len() <= limit;
        fits.then_some(()).ok_or(Misuse::TooLong(limit))
    };
    match request {
        Request::Search { text, after, .. } => {
            check(text, limits::QUERY_BYTES)?;
            check(after.as_deref().unwrap_or_default(), limits::TEXT_BYTES)
        }
        Request::Rooms { after }
        | Request::Members { after, .. }
        | Request::Who { after }
        | Request::Conversations { after } => {
            check(after.as_deref().unwrap_or_default(), limits::TEXT_BYTES)
        }
        Request::Password { old, new, .. } => {
            check(
                old.as_deref().unwrap_or_default(),
                limits::PASSWORD_MAX_BYTES,
            )?;
            check(new, limits::PASSWORD_MAX_BYTES)
        }
        Request::Command { name, args, .. } => {
            check(name, limits::NAME_BYTES)?;
            check(args, limits::TEXT_BYTES)
        }
        _ => Ok(()),
    }
}
