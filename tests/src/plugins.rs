//! Plugins for a server under test: built once, and dropped into a folder as an operator does it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{WAIT, program};
use crate::server::Server;

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

    /// Puts a file into the folder in one step, as an installer does.
    ///
    /// # Panics
    ///
    /// When it can't be copied.
    pub fn drop_in(&self, file: &Path) {
        let name = file.file_name().expect("a file has a name");
        let half = self.folder().join(".half");
        fs::copy(file, &half).expect("the plugin is copied");
        fs::rename(&half, self.folder().join(name)).expect("it is moved");
    }

    /// Starts a server with them.
    #[must_use]
    pub fn start(&self) -> Server {
        let args = self.args();
        Server::start_with(&args.each_ref().map(String::as_str))
    }

    /// `tests/plugins/hostile.c`: does what its flags say.
    #[must_use]
    pub fn hostile(&self, name: &str, flags: &[&str]) -> PathBuf {
        self.build(name, "hostile.c", flags)
    }

    /// `tests/plugins/observer.c`: writes down what it sees.
    #[must_use]
    pub fn observer(&self, version: &str, flags: &[&str]) -> PathBuf {
        let version = format!("VERSION=\"{version}\"");
        let mut all = vec![version.as_str()];
        all.extend(flags);
        self.build("observer", "observer.c", &all)
    }

    /// `tests/plugins/unique.cpp`: what g++ makes of statics in inline functions.
    #[must_use]
    pub fn unique(&self, flags: &[&str]) -> PathBuf {
        let flags: Vec<String> = flags.iter().map(ToString::to_string).collect();
        self.made_by("g++", "unique", "unique.cpp", &flags)
    }

    /// Builds a source of `tests/plugins`; each time into a folder of its own.
    #[must_use]
    pub fn build(&self, name: &str, source: &str, defines: &[&str]) -> PathBuf {
        let defines: Vec<String> = defines.iter().map(|define| format!("-D{define}")).collect();
        self.made_by("gcc", name, source, &defines)
    }

    fn made_by(&self, compiler: &str, name: &str, source: &str, flags: &[String]) -> PathBuf {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = self.path(&format!("build-{count}"));
        fs::create_dir(&folder).expect("a folder");
        let file = folder.join(format!("{name}.so"));
        let built = Command::new(compiler)
            .args([
                "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread", "-I",
            ])
            .arg(root().join("include"))
            .args(flags)
            .arg(root().join("tests/plugins").join(source))
            .arg("-o")
            .arg(&file)
            .status()
            .unwrap_or_else(|error| panic!("{compiler}: {error}"));
        assert!(built.success(), "{source} does not compile with {flags:?}");
        file
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

/// `plugin list --json`, by name.
///
/// # Panics
///
/// When the server does not answer.
#[must_use]
pub fn list(server: &Server) -> Value {
    let ran = server.operate(&["plugin", "list", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.errors);
    let items = ran.output.lines().map(|line| {
        let item: Value = serde_json::from_str(line).expect("a line is an object");
        let name = item["name"]
            .as_str()
            .expect("a plugin has a name")
            .to_owned();
        (name, item)
    });
    Value::Object(items.collect())
}

/// The helper processes of a server.
#[must_use]
pub fn helpers(server: &Server) -> Vec<String> {
    // One that has ended is waited for by its reader a moment later.
    let mut found = children(server);
    found.retain(|pid| is_dead(pid) == Some(false));
    found
}

/// The same, with those that have ended and are still waited for.
///
/// # Panics
///
/// When the server does not run.
#[must_use]
pub fn children(server: &Server) -> Vec<String> {
    let pid = server.process().pid();
    let mut found = Vec::new();
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the server runs");
    for task in tasks.flatten() {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        found.extend(children.split_whitespace().map(str::to_owned));
    }
    found
}

/// Whether a process has ended and nobody has asked how; `None` when it is gone.
#[must_use]
pub fn is_dead(pid: &str) -> Option<bool> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.contains(") Z "))
}

/// Waits until something holds that nobody tells of: the contents of a file, a number in a list.
///
/// # Panics
///
/// When it never does.
#[track_caller]
pub fn until(mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + WAIT;
    while !holds() {
        assert!(Instant::now() < end, "it does not come true");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
