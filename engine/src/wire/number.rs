//! The model's enums as the numbers that travel. The discriminants of the enums are the numbers.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

use crate::model::{ByeReason, Change, GapReason, History, PresenceState, Role};

/// An enum with a number for each variant.
pub(super) trait Numbered: Copy + 'static {
    /// Every variant.
    const ALL: &'static [Self];

    /// On the wire.
    fn number(self) -> u8;

    /// Back from the wire.
    fn from_number(number: u8) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|value| value.number() == number)
    }
}

/// For `#[serde(with)]`; numbers that don't exist are refused.
pub(super) fn serialize<T: Numbered, S: Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(value.number())
}

/// For `#[serde(with)]`; numbers that don't exist are refused.
pub(super) fn deserialize<'de, T: Numbered, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let number = u8::deserialize(deserializer)?;
    T::from_number(number).ok_or_else(|| D::Error::custom("no such number"))
}

macro_rules! numbered {
    ($($name:ident { $($variant:ident)* })*) => {
        $(impl Numbered for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)*];

            fn number(self) -> u8 {
                // Exhaustive, so that a new variant is not forgotten in the list.
                match self {
                    $(Self::$variant)|* => self as u8,
                }
            }
        })*
    };
}

numbered! {
    Change { Joined Left Kicked Banned Unbanned Invited Role Muted Unmuted }
    Role { Member Moderator Owner }
    History { All SinceJoin }
    GapReason { Trimmed Hidden Restored Skipped }
    PresenceState { Online Away Offline }
    ByeReason { Left Lost Timeout Kicked Banned Replaced Shutdown Violation }
}
