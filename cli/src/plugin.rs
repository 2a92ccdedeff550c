//! What operators and authors do with plugins.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use chat_engine::port::PluginName;
use chat_plugins::{Settings, name_of};

use crate::args::{DataArgs, PluginArgs, PluginLanguage, PluginVerb};
use crate::control::{Plugin, Reply, Wish};
use crate::exit::Failure;
use crate::{config, user};

pub(crate) fn run(args: &PluginArgs) -> Result<(), Failure> {
    match &args.verb {
        PluginVerb::List { json } => list(&args.data, *json),
        PluginVerb::Check { file, config } => check(file, config.as_deref()),
        PluginVerb::New { dir, lang } => begin(dir, *lang),
        PluginVerb::Reload { name } => {
            let known = name.as_deref().map(PluginName::new).transpose();
            let known = known.map_err(|why| {
                let name = name.as_deref().unwrap_or_default();
                Failure::Usage(format!("{name:?} can't be a plugin's name: {why}"))
            })?;
            let name = known.map(|name| name.as_str().to_owned());
            let wish = Wish::PluginReload { name: name.clone() };
            running(&args.data, wish)?;
            match name {
                Some(name) => must_run(&args.data, &name),
                None => Ok(()),
            }
        }
    }
}

/// The program that runs a plugin apart.
pub(crate) fn helper() -> Result<Vec<OsString>, Failure> {
    // The very file that runs, even when another version has taken its place on disk.
    let own = Path::new("/proc/self/exe");
    let program = match own.exists() {
        true => own.to_owned(),
        false => std::env::current_exe()
            .map_err(|error| Failure::Failed(format!("cannot find this program: {error}")))?,
    };
    Ok(vec![program.into(), "plugin-host".into()])
}

fn running(data: &DataArgs, wish: Wish) -> Result<Reply, Failure> {
    user::at_desk(data, false, |desk| match desk.is_running() {
        true => desk.ask(wish),
        false => Err(Failure::Failed(
            "the server does not run, so no plugin does; `chat-cli plugin check FILE` looks at one"
                .to_owned(),
        )),
    })
}

/// Whoever reloads a plugin wants it to run.
fn must_run(data: &DataArgs, name: &str) -> Result<(), Failure> {
    let Reply::Plugins { items } = running(data, Wish::Plugins)? else {
        return Err(user::unexpected());
    };
    let item = items.iter().find(|item| item.name == name);
    match item.filter(|item| item.state == "refused") {
        Some(item) => Err(Failure::Failed(format!("{name} is refused: {}", item.why))),
        None => Ok(()),
    }
}

fn list(data: &DataArgs, json: bool) -> Result<(), Failure> {
    let Reply::Plugins { items } = running(data, Wish::Plugins)? else {
        return Err(user::unexpected());
    };
    user::print(&listing(&items, json))
}

fn listing(items: &[Plugin], json: bool) -> String {
    let line = |item: &Plugin| {
        if json {
            return serde_json::to_string(item).unwrap_or_default() + "\n";
        }
        let mut line = format!(
            "{:<20} {:<8} {:<10} {:<8} {:>9} calls, p99 {} us, {} refused, {} errors",
            item.name,
            item.version,
            item.state,
            item.isolation,
            item.calls,
            item.p99_us,
            item.rejects,
            item.errors
        );
        if item.behind > 0 {
            line += &format!(", {} entries behind", item.behind);
        }
        if item.dropped > 0 {
            line += &format!(", {} news dropped", item.dropped);
        }
        if !item.why.is_empty() {
            line += &format!("\n    {}", item.why);
        }
        line + "\n"
    };
    items.iter().map(line).collect()
}

fn check(file: &Path, config: Option<&Path>) -> Result<(), Failure> {
    let name = name_of(file).and_then(|name| PluginName::new(name).ok());
    let settings: Option<Settings> = match (name, config::plugins(config)?) {
        (Some(name), mut all) => all.remove(name.as_str()),
        (None, _) => None,
    };
    let settings = settings.unwrap_or_default();
    let checked = chat_plugins::check(file, &settings, &helper()?)
        .map_err(|why| Failure::Failed(format!("{} is refused: {why}", file.display())))?;
    let about = &checked.about;
    let hooks: Vec<String> = checked
        .hooks
        .iter()
        .map(|(hook, priority)| format!("{hook} ({priority})"))
        .collect();
    let commands: Vec<&str> = about.commands.keys().map(String::as_str).collect();
    let or_none = |text: String| match text.is_empty() {
        true => "none".to_owned(),
        false => text,
    };
    user::print(&format!(
        "name          {}\nid            {}\ntitle         {}\nversion       {}\nlicense       {}\n\
         hooks         {}\ncommands      {}\ncapabilities  {}\n",
        checked.name,
        about.id,
        about.title,
        about.version,
        about.license,
        or_none(hooks.join(", ")),
        or_none(commands.join(", ")),
        or_none(checked.capabilities.join(", ")),
    ))
}

/// Writes a folder with a plugin that works.
fn begin(folder: &Path, language: PluginLanguage) -> Result<(), Failure> {
    let bad = |why: &str| Failure::Usage(format!("{}: {why}", folder.display()));
    let name = folder
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| bad("its last part is the plugin's name"))?;
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if !name.bytes().all(good) || !name.starts_with(|sign: char| sign.is_ascii_lowercase()) {
        return Err(bad(
            "a plugin's name begins with a-z and is made of a-z, 0-9 and _",
        ));
    }
    let files: Vec<(String, String)> = match language {
        PluginLanguage::C => vec![
            (format!("{name}.c"), filled(C_SOURCE, name)),
            ("Makefile".to_owned(), filled(C_MAKEFILE, name)),
            ("chat_plugin.h".to_owned(), HEADER.to_owned()),
        ],
        PluginLanguage::Rust => {
            let mut files = vec![
                ("Cargo.toml".to_owned(), filled(RUST_MANIFEST, name)),
                ("src/lib.rs".to_owned(), filled(RUST_SOURCE, name)),
            ];
            let crates = VENDORED.iter();
            files.extend(crates.map(|(path, text)| ((*path).to_owned(), (*text).to_owned())));
            files
        }
    };
    fs::create_dir(folder).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => bad("it is there already; choose another name"),
        _ => bad(&error.to_string()),
    })?;
    for (path, text) in files {
        let path: PathBuf = folder.join(path);
        let written = || {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::File::create_new(&path)?.write_all(text.as_bytes())
        };
        written().map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))?;
    }
    let build = match language {
        PluginLanguage::C => format!("make -C {}", folder.display()),
        PluginLanguage::Rust => format!("cd {} && cargo build --release", folder.display()),
    };
    let made = match language {
        PluginLanguage::C => format!("{}/{name}.so", folder.display()),
        PluginLanguage::Rust => format!("{}/target/release/lib{name}.so", folder.display()),
    };
    user::print(&format!(
        "build it      {build}\nlook at it    chat-cli plugin check {made}\nuse it        cp {made} plugins/\n"
    ))
}

fn filled(template: &str, name: &str) -> String {
    template.replace("NAME", name)
}

const HEADER: &str = include_str!("../../include/chat_plugin.h");
const C_SOURCE: &str = include_str!("../templates/plugin.c");
const C_MAKEFILE: &str = include_str!("../templates/Makefile");
const RUST_MANIFEST: &str = include_str!("../templates/Cargo.toml.in");
const RUST_SOURCE: &str = include_str!("../templates/lib.rs.in");

/// The crates that a Rust plugin is built with. They go into its folder, so that it builds wherever it is.
const VENDORED: [(&str, &str); 16] = [
    (
        "chat-plugin/Cargo.toml",
        include_str!("../templates/chat-plugin.toml"),
    ),
    (
        "chat-plugin/src/lib.rs",
        include_str!("../../plugins/sdk/src/lib.rs"),
    ),
    (
        "chat-plugin/src/deferred.rs",
        include_str!("../../plugins/sdk/src/deferred.rs"),
    ),
    (
        "chat-plugin/src/event.rs",
        include_str!("../../plugins/sdk/src/event.rs"),
    ),
    (
        "chat-plugin/src/export.rs",
        include_str!("../../plugins/sdk/src/export.rs"),
    ),
    (
        "chat-plugin/src/host.rs",
        include_str!("../../plugins/sdk/src/host.rs"),
    ),
    (
        "chat-plugin/src/setup.rs",
        include_str!("../../plugins/sdk/src/setup.rs"),
    ),
    (
        "chat-plugin-abi/Cargo.toml",
        include_str!("../templates/chat-plugin-abi.toml"),
    ),
    (
        "chat-plugin-abi/src/lib.rs",
        include_str!("../../plugins/abi/src/lib.rs"),
    ),
    (
        "chat-plugin-abi/src/event.rs",
        include_str!("../../plugins/abi/src/event.rs"),
    ),
    (
        "chat-plugin-abi/src/extension.rs",
        include_str!("../../plugins/abi/src/extension.rs"),
    ),
    (
        "chat-plugin-abi/src/host.rs",
        include_str!("../../plugins/abi/src/host.rs"),
    ),
    (
        "chat-plugin-abi/src/layout.rs",
        include_str!("../../plugins/abi/src/layout.rs"),
    ),
    (
        "chat-plugin-abi/src/number.rs",
        include_str!("../../plugins/abi/src/number.rs"),
    ),
    (
        "chat-plugin-abi/src/plugin.rs",
        include_str!("../../plugins/abi/src/plugin.rs"),
    ),
    ("README.md", include_str!("../templates/README.md")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_tells_why_a_plugin_does_not_run() {
        let item = Plugin {
            name: "filter".into(),
            version: "1.0".into(),
            state: "tripped".into(),
            isolation: "process".into(),
            calls: 12,
            errors: 10,
            p99_us: 7,
            metrics: [("throws".to_owned(), 3)].into(),
            why: "10 faults within a minute".into(),
            ..Plugin::default()
        };
        let text = listing(std::slice::from_ref(&item), false);
        assert!(
            text.contains("12 calls, p99 7 us, 0 refused, 10 errors"),
            "{text}"
        );
        assert!(
            text.ends_with("\n    10 faults within a minute\n"),
            "{text}"
        );
        let json: serde_json::Value = serde_json::from_str(&listing(&[item], true)).unwrap();
        assert_eq!(json["state"], "tripped");
    }
}
