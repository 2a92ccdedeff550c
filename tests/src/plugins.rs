//! Plugins for a server under test: built once, and dropped into a folder as an operator does it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{WAIT, program};

/// A folder of plugins, and the configuration of its server.
#[derive(Debug)]
pub struct Plugins {
    home: TempDir,
}

impl Plugins {
    /// An empty folder, and this configuration.
    ///
    /// # Panics
    ///
    /// When the test has no place for them.
    #[must_use]
    pub fn configured(toml: &str) -> Self {
        let home = TempDir::new().expect("a folder for the test");
        let plugins = Self { home };
        fs::create_dir(plugins.folder()).expect("a folder for plugins");
        plugins.configure(toml);
        plugins
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.home.path().join("plugins")
    }

    /// A place for files that are none of the server's.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes the configuration, which a server reads at its start and when plugins are reloaded.
    ///
    /// # Panics
    ///
    /// When it can't be written.
    pub fn configure(&self, toml: &str) {
        fs::write(self.path("server.toml"), toml).expect("a configuration");
    }

    /// The server's arguments.
    #[must_use]
    pub fn args(&self) -> [String; 4] {
        let path = |path: PathBuf| path.to_string_lossy().into_owned();
        let (folder, config) = (path(self.folder()), path(self.path("server.toml")));
        ["--plugins".into(), folder, "--config".into(), config]
    }

    /// Drops a plugin that ships with the server into the folder.
    pub fn add(&self, name: &str) {
        self.add_file(&shipped(name));
    }

    /// Drops a file into the folder as `cp` does.
    ///
    /// # Panics
    ///
    /// When it can't be copied.
    pub fn add_file(&self, file: &Path) {
        let name = file.file_name().expect("a file has a name");
        fs::copy(file, self.folder().join(name)).expect("the plugin is copied");
    }

    /// Builds a plugin from C in the folder's neighbourhood, and answers its file.
    ///
    /// # Panics
    ///
    /// When it does not compile.
    #[must_use]
    pub fn compile(&self, name: &str, source: &str) -> PathBuf {
        let path = self.path(&format!("{name}.c"));
        fs::write(&path, source).expect("the source is written");
        let file = self.path(&format!("{name}.so"));
        let built = Command::new("gcc")
            .args([
                "-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
            ])
            .arg("-I")
            .arg(root().join("include"))
            .arg(&path)
            .arg("-o")
            .arg(&file)
            .status()
            .expect("gcc is installed");
        assert!(built.success(), "{name} does not compile");
        file
    }
}

/// The file of a plugin that ships with the server.
///
/// # Panics
///
/// When it does not build.
#[must_use]
pub fn shipped(name: &str) -> PathBuf {
    match name {
        "wordfilter" | "slowmode" | "help" | "dice" => in_c().join(format!("{name}.so")),
        _ => in_rust().join(format!("lib{name}.so")),
    }
}

/// The top of the repository.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("it is in a workspace")
}

/// Built by the same `make` as an operator's.
fn in_c() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = in_rust().join("plugins");
        let built = Command::new("make")
            .args(["--quiet", "-C"])
            .arg(root().join("plugins"))
            .arg(format!("OUT={}", folder.display()))
            .stdout(Stdio::null())
            .status()
            .expect("make is installed");
        assert!(built.success(), "the plugins in C do not build");
        folder
    })
}

/// The folder that cargo puts them into: that of the binary under test, so that `CHAT_CLI` decides about
/// debug and release for both.
fn in_rust() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let names = ["linkguard", "logger", "motd", "stats"];
        let is_release = program()
            .parent()
            .is_some_and(|folder| folder.ends_with("release"));
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .args([
                "build",
                "--quiet",
                "--message-format",
                "json-render-diagnostics",
            ])
            .args(names.map(|name| format!("--package=chat-plugin-{name}")))
            .current_dir(root())
            .stderr(Stdio::inherit());
        if is_release {
            command.arg("--release");
        }
        let built = command.output().expect("cargo can be started");
        assert!(built.status.success(), "the plugins in Rust do not build");
        let text = String::from_utf8_lossy(&built.stdout);
        let file = text.lines().find_map(|line| {
            let message: Value = serde_json::from_str(line).ok()?;
            let files = message["filenames"].as_array()?;
            let mut paths = files.iter().filter_map(Value::as_str);
            paths
                .find(|path| path.ends_with("liblogger.so"))
                .map(PathBuf::from)
        });
        let file = file.expect("cargo says where it put them");
        file.parent().expect("it is in a folder").to_owned()
    })
}

/// Waits until something holds that nobody tells of: the contents of a file, a number in a list.
///
/// # Panics
///
/// When it never does.
pub fn until(mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + WAIT;
    while !holds() {
        assert!(Instant::now() < end, "it does not come true");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
