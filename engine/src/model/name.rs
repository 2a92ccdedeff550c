//! Names of accounts and rooms, checked once at the edge.

use std::fmt;
use std::sync::Arc;

use precis_profiles::UsernameCaseMapped;
use precis_profiles::precis_core::profile::Profile;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits;

/// The name of an account: RFC 8265 UsernameCaseMapped, so `Ann` and `ann` are one account, and 1 to
/// [`limits::NAME_BYTES`] bytes.
///
/// Cheap to clone.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AccountName(Arc<str>);

/// The name of a room; the same rules as for an account.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RoomName(Arc<str>);

/// Why a text is no name.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BadName {
    /// Nothing is left of it.
    Empty,
    /// More than [`limits::NAME_BYTES`] bytes.
    TooLong,
    /// A character that RFC 8265 forbids in a user name (spaces and controls among them), or one of
    /// `/ ? # @ : % & = ,` and the quotes, which links and command lines give a meaning.
    Character,
    /// Names that begin with `plugin.` belong to plugins, and `server` is the server's own.
    Reserved,
}

impl AccountName {
    /// Parses and normalizes a name.
    ///
    /// # Errors
    ///
    /// [`BadName`] says which rule it breaks.
    pub fn new(text: &str) -> Result<Self, BadName> {
        let name = normalize(text)?;
        if name.starts_with(PLUGIN) || name == SERVER {
            return Err(BadName::Reserved);
        }
        Ok(Self(name.into()))
    }

    /// The reserved name of a plugin's account, `plugin.NAME`. Nobody can register under it or log in.
    ///
    /// # Errors
    ///
    /// [`BadName`] says which rule it breaks.
    pub fn plugin(name: &str) -> Result<Self, BadName> {
        if name.is_empty() {
            return Err(BadName::Empty);
        }
        Ok(Self(normalize(&format!("{PLUGIN}{name}"))?.into()))
    }

    /// The reserved name of the server's own account, in whose name the operator changes memberships.
    #[must_use]
    pub fn server() -> Self {
        Self(SERVER.into())
    }

    /// NAME, if this is the account of a plugin: a program and not a person.
    #[must_use]
    pub fn plugin_name(&self) -> Option<&str> {
        self.0.strip_prefix(PLUGIN)
    }

    /// The normalized text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl RoomName {
    /// Parses and normalizes a name.
    ///
    /// # Errors
    ///
    /// [`BadName`] says which rule it breaks.
    pub fn new(text: &str) -> Result<Self, BadName> {
        Ok(Self(normalize(text)?.into()))
    }

    /// The normalized text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! name_traits {
    ($name:ident) => {
        impl $name {
            /// A name that went through `new` before: from the wire or a database.
            pub(crate) fn stored(text: &str) -> Option<Self> {
                let fits = !text.is_empty() && text.len() <= limits::NAME_BYTES;
                fits.then(|| Self(text.into()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, BadName> {
                Self::new(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        // What comes off the wire or out of a database went through `new` before; a peer that
        // sends something else is caught here.
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <&str>::deserialize(deserializer)?;
                Self::stored(text).ok_or_else(|| serde::de::Error::custom("not a name"))
            }
        }
    };
}

name_traits!(AccountName);
name_traits!(RoomName);

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a name has at least one character"),
            Self::TooLong => write!(f, "a name has at most {} bytes", limits::NAME_BYTES),
            Self::Character => f.write_str(
                "a name is made of letters, digits and most signs, without spaces and / ? # @ : % & = , \" '",
            ),
            Self::Reserved => f.write_str(
                "names that begin with \"plugin.\" belong to plugins, and \"server\" is the server's own",
            ),
        }
    }
}

impl std::error::Error for BadName {}

/// How the names of plugins' accounts begin.
const PLUGIN: &str = "plugin.";
/// The name of the server's own account.
const SERVER: &str = "server";

fn normalize(text: &str) -> Result<String, BadName> {
    // Far above any name, and bounds the work of the Unicode tables.
    if text.len() > limits::NAME_BYTES * 4 {
        return Err(BadName::TooLong);
    }
    if text.is_empty() {
        return Err(BadName::Empty);
    }
    let name = UsernameCaseMapped::new()
        .enforce(text)
        .map_err(|_| BadName::Character)?
        .into_owned();
    if name.contains(['/', '?', '#', '@', ':', '%', '&', '=', ',', '"', '\'']) {
        return Err(BadName::Character);
    }
    match name.len() {
        0 => Err(BadName::Empty),
        length if length > limits::NAME_BYTES => Err(BadName::TooLong),
        _ => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_case_mapped_and_checked() {
        assert_eq!(AccountName::new("Ann").unwrap().as_str(), "ann");
        assert_eq!(AccountName::new("Jürgen").unwrap().as_str(), "jürgen");
        assert_eq!(AccountName::new(""), Err(BadName::Empty));
        assert_eq!(AccountName::new("a b"), Err(BadName::Character));
        assert_eq!(AccountName::new("a\u{0}b"), Err(BadName::Character));
        assert_eq!(AccountName::new("a/b"), Err(BadName::Character));
        assert_eq!(AccountName::new("plugin.dice"), Err(BadName::Reserved));
        assert_eq!(AccountName::new("Server"), Err(BadName::Reserved));
        assert_eq!(AccountName::server().as_str(), "server");
        let dice = AccountName::plugin("dice").unwrap();
        assert_eq!(
            (dice.as_str(), dice.plugin_name()),
            ("plugin.dice", Some("dice"))
        );
        assert_eq!(AccountName::plugin(""), Err(BadName::Empty));
        assert_eq!(AccountName::plugin("a b"), Err(BadName::Character));
        assert_eq!(AccountName::new("ann").unwrap().plugin_name(), None);
        assert_eq!(AccountName::new(&"x".repeat(65)), Err(BadName::TooLong));
        assert_eq!(RoomName::new("Lobby").unwrap().as_str(), "lobby");
    }
}
