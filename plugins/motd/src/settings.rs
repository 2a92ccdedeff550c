//! What the operator wrote under `[plugin.motd]`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;

use serde::Deserialize;

/// The longest notice, with room for two names.
const TEXT_BYTES: usize = 16_000;
/// Rooms with a text of their own; each is written by hand.
const ROOMS: usize = 1_000;
const USUAL_EVERY: u64 = 3600;

#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Settings {
    pub(crate) text: Option<String>,
    /// By name of the room.
    pub(crate) rooms: BTreeMap<String, String>,
    /// Seconds.
    pub(crate) every: u64,
}

/// Keys that the server itself reads stand beside these.
#[derive(Deserialize)]
struct Written {
    text: Option<String>,
    file: Option<String>,
    every: Option<u64>,
    #[serde(default)]
    rooms: BTreeMap<String, String>,
}

impl Settings {
    /// Reads them from the JSON object of all keys. The error says which one is wrong.
    pub(crate) fn read(json: &str) -> Result<Self, String> {
        let json = if json.is_empty() { "{}" } else { json };
        let written: Written = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let text = match (written.text, written.file) {
            (Some(_), Some(_)) => return Err("text and file: set one of them".to_owned()),
            (text, None) => text,
            (None, Some(path)) => {
                Some(read_file(&path).map_err(|why| format!("file: {path}: {why}"))?)
            }
        };
        if text.is_none() && written.rooms.is_empty() {
            return Err("nothing to tell: set text, file or [plugin.motd.rooms]".to_owned());
        }
        if written.rooms.len() > ROOMS {
            return Err(format!("rooms: more than {ROOMS}"));
        }
        for text in written.rooms.values().chain(&text) {
            if text.len() > TEXT_BYTES || text.contains('\0') {
                let start: String = text.chars().take(40).collect();
                return Err(format!(
                    "a text is longer than {TEXT_BYTES} bytes, or has a NUL in it: {start}.."
                ));
            }
        }
        Ok(Self {
            text,
            rooms: written.rooms,
            every: written.every.unwrap_or(USUAL_EVERY),
        })
    }
}

fn read_file(path: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    let most = TEXT_BYTES as u64 + 1;
    File::open(path)
        .and_then(|file| file.take(most).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8(bytes).map_err(|_| "it is no UTF-8, or too long".to_owned())?;
    Ok(text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn texts_come_from_the_configuration_or_a_file() {
        let json = r#"{"text":"hi","rooms":{"lobby":"yo"},"priority":5}"#;
        let settings = Settings::read(json).unwrap();
        assert_eq!(settings.text.as_deref(), Some("hi"));
        assert_eq!(
            (settings.rooms["lobby"].as_str(), settings.every),
            ("yo", 3600)
        );

        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"from a file\n").unwrap();
        let json = format!(r#"{{"file":{:?},"every":0}}"#, file.path());
        let settings = Settings::read(&json).unwrap();
        assert_eq!(
            (settings.text.as_deref(), settings.every),
            (Some("from a file"), 0)
        );
    }

    #[test]
    fn a_mistake_names_its_key() {
        let long = format!(r#"{{"text":"{}"}}"#, "x".repeat(TEXT_BYTES + 1));
        for (json, word) in [
            ("", "nothing to tell"),
            (r#"{"text":"a","file":"b"}"#, "text and file"),
            (r#"{"file":"/no/such/file"}"#, "/no/such/file"),
            (r#"{"text":"a","every":"soon"}"#, "soon"),
            (r#"{"rooms":"lobby"}"#, "lobby"),
            (&long, "longer"),
        ] {
            let why = Settings::read(json).unwrap_err();
            assert!(why.contains(word), "{why}");
        }
    }
}
