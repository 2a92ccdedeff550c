//! What an operator says about a plugin: `[plugin.NAME]`.

use std::collections::BTreeMap;
use std::time::Duration;

use chat_plugin_abi as abi;
use serde_json::{Map, Value};

use crate::frame::Config;
use crate::limits;

/// What an operator says about a plugin.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// Whether it is loaded at all.
    pub enabled: bool,
    /// Where it runs.
    pub isolation: Isolation,
    /// Its place in every chain, in place of what it asks for.
    pub priority: Option<i32>,
    /// What a fault comes to, in place of what is usual for the hook.
    pub on_error: Option<OnError>,
    /// How long an answer is waited for.
    pub deadline: Duration,
    /// What it may do, of what it asks for.
    pub capabilities: u64,
    /// What the plugin itself may ask for.
    pub config: Config,
}

/// Where a plugin runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Isolation {
    /// In a process of its own.
    Process,
    /// In the server's: faster, and its crash is the server's.
    None,
}

/// What a fault of a plugin comes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnError {
    /// As if the plugin had let it pass.
    Pass,
    /// Refused for now.
    Reject,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            isolation: Isolation::Process,
            priority: None,
            on_error: None,
            deadline: limits::DEADLINE,
            capabilities: u64::MAX,
            config: Config {
                values: BTreeMap::new(),
                json: "{}".to_owned(),
            },
        }
    }
}

impl Settings {
    /// Reads the table of a plugin. All of it is shown to the plugin, too.
    ///
    /// # Errors
    ///
    /// The text names the key and what it may be.
    pub fn read(table: &Map<String, Value>) -> Result<Self, String> {
        let mut settings = Self::default();
        for (key, value) in table {
            match (key.as_str(), value) {
                ("enabled", Value::Bool(enabled)) => settings.enabled = *enabled,
                ("enabled", _) => return Err("enabled is true or false".to_owned()),
                ("isolation", value) => {
                    settings.isolation = match value.as_str() {
                        Some("process") => Isolation::Process,
                        Some("none") => Isolation::None,
                        _ => return Err("isolation is \"process\" or \"none\"".to_owned()),
                    }
                }
                ("on_error", value) => {
                    settings.on_error = match value.as_str() {
                        Some("pass") => Some(OnError::Pass),
                        Some("reject") => Some(OnError::Reject),
                        _ => return Err("on_error is \"pass\" or \"reject\"".to_owned()),
                    }
                }
                ("priority", value) => {
                    let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
                    settings.priority = Some(number.ok_or("priority is a whole number")?);
                }
                ("deadline_ms", value) => {
                    let deadline = value.as_u64().map(Duration::from_millis);
                    let good = deadline.filter(|&deadline| {
                        deadline >= limits::TICK && deadline <= limits::DEADLINE_MOST
                    });
                    settings.deadline = good.ok_or_else(|| {
                        format!(
                            "deadline_ms is a number from {} to {}",
                            limits::TICK.as_millis(),
                            limits::DEADLINE_MOST.as_millis()
                        )
                    })?;
                }
                ("capabilities", value) => settings.capabilities = capabilities(value)?,
                (key, value) => {
                    settings.config.values.insert(key.to_owned(), text(value));
                }
            }
        }
        settings.config.json = Value::Object(table.clone()).to_string();
        Ok(settings)
    }
}

fn capabilities(value: &Value) -> Result<u64, String> {
    let known = || {
        let words: Vec<&str> = CAPABILITIES.iter().map(|(word, _)| *word).collect();
        format!("capabilities is a list of some of: {}", words.join(", "))
    };
    let mut all = 0;
    for word in value.as_array().ok_or_else(known)? {
        let word = word.as_str().ok_or_else(known)?;
        let found = CAPABILITIES.iter().find(|(name, _)| *name == word);
        all |= found.ok_or_else(known)?.1;
    }
    Ok(all)
}

/// The words for a set of capabilities.
pub(crate) fn capability_words(all: u64) -> Vec<&'static str> {
    let known = CAPABILITIES.iter();
    known
        .filter(|(_, one)| all & one != 0)
        .map(|(word, _)| *word)
        .collect()
}

const CAPABILITIES: [(&str, u64); 8] = [
    ("read_text", abi::CHAT_CAP_READ_TEXT),
    ("read_direct", abi::CHAT_CAP_READ_DIRECT),
    ("modify", abi::CHAT_CAP_MODIFY),
    ("reject", abi::CHAT_CAP_REJECT),
    ("send", abi::CHAT_CAP_SEND),
    ("notice", abi::CHAT_CAP_NOTICE),
    ("command", abi::CHAT_CAP_COMMAND),
    ("address", abi::CHAT_CAP_ADDRESS),
];

/// A value as plugins get it: lists one item a line.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join("\n"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Settings, String> {
        Settings::read(
            serde_json::from_str::<Value>(json)
                .unwrap()
                .as_object()
                .unwrap(),
        )
    }

    #[test]
    fn a_table_says_how_to_run_and_what_to_know() {
        let settings = read(
            r#"{"isolation":"none","priority":-5,"on_error":"reject","deadline_ms":100,
                "capabilities":["read_text","reject"],"words":["a","b"],"max":3,"loud":true}"#,
        )
        .unwrap();
        assert_eq!(settings.isolation, Isolation::None);
        assert_eq!(settings.priority, Some(-5));
        assert_eq!(settings.on_error, Some(OnError::Reject));
        assert_eq!(settings.deadline, Duration::from_millis(100));
        assert_eq!(settings.capabilities, 9);
        assert_eq!(settings.config.values["words"], "a\nb");
        assert_eq!(settings.config.values["max"], "3");
        assert_eq!(settings.config.values["loud"], "true");
        assert!(settings.config.json.contains(r#""words":["a","b"]"#));
    }

    #[test]
    fn nonsense_says_what_would_make_sense() {
        for (json, hint) in [
            (r#"{"isolation":"maybe"}"#, "\"process\" or \"none\""),
            (r#"{"on_error":1}"#, "\"pass\" or \"reject\""),
            (r#"{"priority":"high"}"#, "whole number"),
            (r#"{"deadline_ms":0}"#, "from 10 to 60000"),
            (r#"{"capabilities":["fly"]}"#, "read_text, read_direct"),
            (r#"{"enabled":"yes"}"#, "true or false"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(hint), "{error}");
        }
    }
}
