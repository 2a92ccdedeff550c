//! What the operator wrote under `[plugin.logger]`.

use std::path::{Path, PathBuf};

/// Least that a file is worth; one line of the longest text still fits.
const MIN_BYTES: u64 = 64 * 1024;
/// Most old files: each rotation renames them all.
const MAX_KEEP: u32 = 100;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Format {
    Text,
    Json,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Settings {
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
    pub(crate) max_bytes: u64,
    pub(crate) keep: u32,
    /// `None`: all of them.
    rooms: Option<Vec<String>>,
    direct: bool,
}

impl Settings {
    /// Reads them by `config`, which answers the value of a key. The error says which key is wrong.
    pub(crate) fn read(
        state_dir: &Path,
        config: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let path = state_dir.join(config("path").unwrap_or_else(|| "messages.log".to_owned()));
        let folder = path.parent().unwrap_or(state_dir);
        if path.file_name().is_none() || !folder.is_dir() {
            return Err(format!("path: there is no folder for {}", path.display()));
        }
        let format = match config("format").as_deref() {
            None | Some("text") => Format::Text,
            Some("json") => Format::Json,
            Some(other) => return Err(format!("format = {other:?}: it is \"text\" or \"json\"")),
        };
        let max_bytes = match config("max_bytes") {
            None => 10 << 20,
            Some(text) => bytes(&text)
                .filter(|&bytes| bytes >= MIN_BYTES)
                .ok_or_else(|| {
                    format!(
                        "max_bytes = {text:?}: a number of bytes, like \"10MiB\", at least 64KiB"
                    )
                })?,
        };
        let keep = match config("keep") {
            None => 5,
            Some(text) => text
                .parse()
                .ok()
                .filter(|&keep| keep <= MAX_KEEP)
                .ok_or_else(|| format!("keep = {text:?}: a number of files, at most 100"))?,
        };
        let direct = match config("direct").as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => return Err(format!("direct = {other:?}: it is true or false")),
        };
        let rooms = config("rooms").map(|text| text.lines().map(str::to_owned).collect());
        Ok(Self {
            path,
            format,
            max_bytes,
            keep,
            rooms,
            direct,
        })
    }

    /// Whether the entries of a room, or of a direct conversation, are to be logged.
    pub(crate) fn wants(&self, room: Option<&str>) -> bool {
        match (room, &self.rooms) {
            (None, _) => self.direct,
            (Some(_), None) => true,
            (Some(room), Some(rooms)) => rooms.iter().any(|wanted| wanted == room),
        }
    }
}

/// "10485760", "512KiB", "10MiB", "1GiB".
fn bytes(text: &str) -> Option<u64> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit: u64 = match unit.trim() {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, String> {
        let pairs = pairs.to_vec();
        Settings::read(Path::new("/"), &move |key| {
            let pair = pairs.iter().find(|(name, _)| *name == key);
            pair.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn nothing_has_to_be_configured() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.path, Path::new("/messages.log"));
        assert_eq!(
            (settings.format, settings.max_bytes, settings.keep),
            (Format::Text, 10 << 20, 5)
        );
    }

    #[test]
    fn a_mistake_names_its_key() {
        for (key, value) in [
            ("path", "/no/such/folder/log"),
            ("path", "/"),
            ("format", "xml"),
            ("max_bytes", "10"),
            ("max_bytes", "10MB"),
            ("max_bytes", "99999999999GiB"),
            ("keep", "101"),
            ("keep", "-1"),
            ("direct", "maybe"),
        ] {
            let why = read(&[(key, value)]).unwrap_err();
            assert!(why.starts_with(key), "{why}");
        }
    }

    #[test]
    fn rooms_and_direct_conversations_are_chosen() {
        let (lobby, hall, direct) = (Some("lobby"), Some("hall"), None);
        let all = read(&[]).unwrap();
        assert!(all.wants(lobby) && all.wants(hall) && !all.wants(direct));
        let some = read(&[("rooms", "lobby\nbar"), ("direct", "true")]).unwrap();
        assert!(some.wants(lobby) && !some.wants(hall) && some.wants(direct));
    }

    #[test]
    fn bytes_have_units() {
        assert_eq!(bytes("70000"), Some(70_000));
        assert_eq!(bytes("64KiB"), Some(64 << 10));
        assert_eq!(bytes("10 MiB"), Some(10 << 20));
        assert_eq!(bytes("2GiB"), Some(2 << 30));
        assert_eq!(bytes(""), None);
        assert_eq!(bytes("MiB"), None);
    }
}
