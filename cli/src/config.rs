//! The file of `serve --config`: the long names of the flags are its keys, and flags win.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chat_engine::port::PluginName;
use chat_plugins::Settings;
use serde::{Deserialize, Deserializer};

use crate::args::ServeArgs;
use crate::exit::Failure;
use crate::size;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct File {
    #[serde(deserialize_with = "one_or_more")]
    listen: Vec<String>,
    data: Option<PathBuf>,
    plugins: Option<PathBuf>,
    store: Option<String>,
    metrics: Option<String>,
    public: Option<String>,
    registration: Option<String>,
    retention_age: Option<String>,
    retention_count: Option<u64>,
    lobby: Option<String>,
    max_file: Option<String>,
    file_quota: Option<String>,
    files_total: Option<String>,
    #[serde(deserialize_with = "one_or_more")]
    refuse_type: Vec<String>,
    json: bool,
    /// `[plugin.NAME]`, see [`plugins`].
    plugin: BTreeMap<String, toml::Table>,
}

/// What the file says about plugins.
pub(crate) fn plugins(path: Option<&Path>) -> Result<BTreeMap<String, Settings>, Failure> {
    match path {
        Some(path) => read_plugins(&read(path)?, path),
        None => Ok(BTreeMap::new()),
    }
}

fn read_plugins(text: &str, path: &Path) -> Result<BTreeMap<String, Settings>, Failure> {
    let bad = |why: String| Failure::Config(format!("{}: {why}", path.display()));
    let file: File = toml::from_str(text).map_err(|error| bad(error.to_string()))?;
    let mut all = BTreeMap::new();
    for (name, table) in file.plugin {
        let value = serde_json::to_value(table).map_err(|error| bad(error.to_string()))?;
        let table = value.as_object().cloned().unwrap_or_default();
        let settings =
            Settings::read(&table).map_err(|why| bad(format!("[plugin.{name}]: {why}")))?;
        // As the server calls them: the names of files are folded in the same way.
        let known = PluginName::new(&name).map_err(|why| bad(format!("[plugin.{name}]: {why}")))?;
        if all.insert(known.as_str().to_owned(), settings).is_some() {
            return Err(bad(format!("[plugin.{name}] stands there twice")));
        }
    }
    Ok(all)
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::Config(format!("cannot read {}: {error}", path.display())))
}

/// The flags, with what they don't say filled in from their `--config` file.
pub(crate) fn with_file(args: ServeArgs) -> Result<ServeArgs, Failure> {
    let Some(path) = args.config.clone() else {
        return Ok(args);
    };
    merge(args, &read(&path)?, &path)
}

fn merge(args: ServeArgs, text: &str, path: &Path) -> Result<ServeArgs, Failure> {
    let bad = |why: String| Failure::Config(format!("{}: {why}", path.display()));
    let file: File = toml::from_str(text).map_err(|error| bad(error.to_string()))?;
    let registration = match (args.registration, file.registration) {
        (None, Some(word)) => Some(
            word.parse()
                .map_err(|error| bad(format!("registration: {error}")))?,
        ),
        (flag, _) => flag,
    };
    let age = match (args.retention_age, file.retention_age) {
        (None, Some(text)) => Some(
            humantime::parse_duration(&text)
                .map_err(|error| bad(format!("retention-age: {error}")))?,
        ),
        (flag, _) => flag,
    };
    let size = |flag: Option<u64>, key: &str, text: Option<String>| match (flag, text) {
        (None, Some(text)) => size::parse(&text)
            .map(Some)
            .map_err(|error| bad(format!("{key}: {error}"))),
        (flag, _) => Ok(flag),
    };
    Ok(ServeArgs {
        max_file: size(args.max_file, "max-file", file.max_file)?,
        file_quota: size(args.file_quota, "file-quota", file.file_quota)?,
        files_total: size(args.files_total, "files-total", file.files_total)?,
        refuse_type: match args.refuse_type.is_empty() {
            true => file.refuse_type,
            false => args.refuse_type,
        },
        listen: match args.listen.is_empty() {
            true => file.listen,
            false => args.listen,
        },
        data: args.data.or(file.data),
        plugins: args.plugins.or(file.plugins),
        config: args.config,
        store: args.store.or(file.store),
        metrics: args.metrics.or(file.metrics),
        public: args.public.or(file.public),
        registration,
        retention_age: age.filter(|age| *age > Duration::ZERO),
        retention_count: args.retention_count.or(file.retention_count),
        lobby: args.lobby.or(file.lobby),
        json: args.json || file.json,
        // Never from a file, where it could be forgotten.
        danger_synchronous_off: args.danger_synchronous_off,
    })
}

fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Listen {
        One(String),
        More(Vec<String>),
    }
    Ok(match Listen::deserialize(deserializer)? {
        Listen::One(address) => vec![address],
        Listen::More(addresses) => addresses,
    })
}

#[cfg(test)]
mod tests {
    use chat_engine::Registration;

    use super::*;

    fn merged(args: ServeArgs, text: &str) -> Result<ServeArgs, Failure> {
        merge(args, text, Path::new("server.toml"))
    }

    #[test]
    fn keys_are_the_flags_and_flags_win() {
        let text = "
            listen = ['0.0.0.0:1', '[::]:1']
            data = '/d'
            store = 'memory'
            public = 'chat.example:1'
            registration = 'closed'
            retention-age = '90d'
            retention-count = 7
            lobby = 'hall'
            max-file = '20M'
            file-quota = '1G'
            files-total = 'none'
            refuse-type = ['video/*', 'audio/*']
            json = true
        ";
        let args = merged(ServeArgs::default(), text).unwrap();
        assert_eq!(args.listen, ["0.0.0.0:1", "[::]:1"]);
        assert_eq!(args.data, Some("/d".into()));
        assert_eq!(args.registration, Some(Registration::Closed));
        assert_eq!(args.retention_age, Some(Duration::from_secs(90 * 86400)));
        assert_eq!(args.retention_count, Some(7));
        assert_eq!(args.lobby.as_deref(), Some("hall"));
        assert_eq!(args.max_file, Some(20 << 20));
        assert_eq!(args.file_quota, Some(1 << 30));
        assert_eq!(args.files_total, Some(u64::MAX));
        assert_eq!(args.refuse_type, ["video/*", "audio/*"]);
        assert!(args.json);

        let flags = ServeArgs {
            listen: vec!["127.0.0.1:2".into()],
            registration: Some(Registration::Open),
            ..ServeArgs::default()
        };
        let args = merged(flags, text).unwrap();
        assert_eq!(args.listen, ["127.0.0.1:2"]);
        assert_eq!(args.registration, Some(Registration::Open));
        assert_eq!(args.store.as_deref(), Some("memory"));
        let one = merged(ServeArgs::default(), "listen = '[::1]:1'").unwrap();
        assert_eq!(one.listen, ["[::1]:1"]);
    }

    #[test]
    fn plugins_have_tables_of_their_own() {
        let text = "
            listen = '[::1]:1'
            [plugin.filter]
            priority = 7
            words = ['a', 'b']
        ";
        assert!(super::merge(ServeArgs::default(), text, Path::new("f")).is_ok());
        let all = read_plugins(text, Path::new("f")).unwrap();
        assert_eq!(all["filter"].priority, Some(7));
        assert_eq!(all["filter"].config.values["words"], "a\nb");
        let failure = read_plugins("[plugin.x]\nisolation = 'no'", Path::new("f")).unwrap_err();
        assert_eq!(failure.code(), 78);
        assert!(
            failure.to_string().contains("[plugin.x]: isolation"),
            "{failure}"
        );
    }

    #[test]
    fn a_bad_file_names_the_key() {
        for (text, word) in [
            ("lisen = '127.0.0.1:1'", "lisen"),
            ("registration = 'anyone'", "anyone"),
            ("retention-age = 'soon'", "retention-age"),
            ("retention-count = 'x'", "retention-count"),
            ("max-file = 'huge'", "max-file"),
            ("listen = ", "server.toml"),
        ] {
            let failure = merged(ServeArgs::default(), text).unwrap_err();
            assert_eq!(failure.code(), 78);
            assert!(failure.to_string().contains(word), "{failure}");
        }
    }
}
