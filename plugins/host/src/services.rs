//! What an instance in this process asks of the server.

use chat_plugin_abi as abi;

use crate::frame::{Answer, Wish};
use crate::instance::Services;
use crate::shared::Shared;
use crate::slot::{SeatId, SlotId};

/// Wishes of an instance in this process.
pub(crate) struct LocalWishes {
    pub(crate) shared: std::sync::Weak<Shared>,
    pub(crate) seat: SeatId,
    pub(crate) slot: SlotId,
}

impl Services for LocalWishes {
    fn wish(&self, wish: Wish) -> abi::chat_status {
        let Some(shared) = self.shared.upgrade() else {
            return abi::CHAT_RETIRED;
        };
        shared.with(|desk| {
            if wish.is_said() && desk.has_said_enough(self.seat) {
                return abi::CHAT_FULL;
            }
            desk.wish(self.seat, self.slot, wish);
            abi::CHAT_OK
        })
    }

    fn resolved(&self, call: u64, answer: Answer) -> abi::chat_status {
        let Some(shared) = self.shared.upgrade() else {
            return abi::CHAT_RETIRED;
        };
        shared.with(|desk| match desk.resolved(self.seat, call, answer) {
            true => abi::CHAT_OK,
            false => abi::CHAT_TOO_LATE,
        })
    }
}
