//! Events as C sees them: a type, a few numbers, and named fields.

mod record;
mod translate;

pub(crate) use record::{Field, Record};
pub(crate) use translate::{
    Scene, account_item, answer, listed, member_item, of_client, outbox, room_item, target,
};
