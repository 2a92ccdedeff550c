//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use chat_engine::{AccountName, Registration, RoomName, SendId};
use clap::{Parser, Subcommand, ValueEnum};

use crate::size;

/// Chat: a server, a client, and what their operators need.
#[derive(Debug, Parser)]
#[command(
    name = "chat-cli",
    version,
    about = "Chat: a server, a client, and what their operators need",
    after_long_help = EXAMPLES,
    propagate_version = true
)]
pub(crate) struct Args {
    /// What to log to stderr: error, warn, info, debug, trace, or a filter like RUST_LOG's.
    #[arg(long, global = true, display_order = LAST, value_name = "LEVEL", env = "RUST_LOG")]
    pub(crate) log: Option<String>,
    /// How to log.
    #[arg(long, global = true, display_order = LAST, value_name = "FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run a server until SIGTERM or Ctrl-C.
    Serve(ServeArgs),
    /// Chat: plain lines, or JSON lines for programs.
    Connect(ConnectArgs),
    /// Send one message and exit when the server has it on disk.
    Send(SendArgs),
    /// Open, change and list accounts.
    User(UserArgs),
    /// Make an invite link.
    Invite(InviteArgs),
    /// Show the server's key.
    Key(KeyArgs),
    /// List, check, begin and reload plugins.
    Plugin(PluginArgs),
    /// Copy everything that the server keeps into a new folder, also while it runs.
    Backup(BackupArgs),
    /// Put load on a server and print what it costs.
    Bench(crate::bench::BenchArgs),
    /// Write the manual pages, JSON lines included, into a folder.
    Man(ManArgs),
    /// Run a plugin for a server, which starts this by itself.
    #[command(hide = true)]
    PluginHost {
        /// Shown in lists of processes.
        name: Option<String>,
    },
}

#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ServeArgs {
    /// Where to listen; may be given several times. Port 0 picks a free one [default: 127.0.0.1:7878].
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) listen: Vec<String>,
    /// The folder in which everything is kept [default: ~/.local/share/libchat, or
    /// $XDG_DATA_HOME/libchat].
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The folder of plugins; files that are copied into it are loaded while the server runs
    /// [default: ./plugins, if it is there].
    #[arg(long, value_name = "DIR")]
    pub(crate) plugins: Option<PathBuf>,
    /// A TOML file with the long names of these flags as keys; flags win.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// sqlite, memory, or nats://HOST:PORT (not supported yet) [default: sqlite].
    #[arg(long, value_name = "STORE")]
    pub(crate) store: Option<String>,
    /// Where to serve metrics (not supported yet).
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) metrics: Option<String>,
    /// The address that invites name, where it is not the one that the server listens on.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) public: Option<String>,
    /// Who may open an account: open, invite or closed [default: open while every listen address is
    /// loopback, else invite].
    #[arg(long, value_name = "WHO")]
    pub(crate) registration: Option<Registration>,
    /// Forget entries that are older, for example 90d.
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    pub(crate) retention_age: Option<Duration>,
    /// Keep only so many entries of each conversation.
    #[arg(long, value_name = "COUNT")]
    pub(crate) retention_count: Option<u64>,
    /// The room that new accounts are put into; an empty name for none [default: lobby].
    #[arg(long, value_name = "ROOM")]
    pub(crate) lobby: Option<String>,
    /// Most bytes of a file, like 500M or 16G [default: 16G].
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) max_file: Option<u64>,
    /// Most bytes of the files that one account sent and did not delete, or none [default: 64G].
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) file_quota: Option<u64>,
    /// Most bytes of all files, or none [default: what the disk has, less a reserve].
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) files_total: Option<u64>,
    /// A media type that is not taken, like application/x-msdownload or video/*; may be given several
    /// times. Clients say what type a file is: this is a house rule, and no protection.
    #[arg(long, value_name = "TYPE")]
    pub(crate) refuse_type: Vec<String>,
    /// Print the first line as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Let commits wait for nothing, so that a loss of power loses acknowledged messages: for the test
    /// that has to notice it. Clients are told that this server is not durable.
    #[arg(long, hide = true)]
    pub(crate) danger_synchronous_off: bool,
}

/// How to reach a server and who to be there.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DialArgs {
    #[arg(help = "chat://[NAME@]HOST:PORT[/ROOM][?fp=..&invite=..], as an invite says it")]
    pub(crate) target: String,
    /// Who to be, unless the link says it.
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<AccountName>,
    /// A file with the password; else CHAT_PASSWORD, else a prompt. Only the first login needs it.
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Open the account first; no error if this device did so before.
    #[arg(long)]
    pub(crate) register: bool,
    /// Accept and remember the key of a new server. A changed key is never accepted.
    #[arg(long, conflicts_with = "fingerprint")]
    pub(crate) accept_new: bool,
    /// Accept only the server key with this fingerprint.
    #[arg(long, value_name = "SHA256:..")]
    pub(crate) fingerprint: Option<String>,
    /// Where this device's key, outbox and positions are [default: one folder per account and server
    /// in ~/.local/state/libchat/profiles, or $XDG_STATE_HOME/libchat/profiles].
    #[arg(long, value_name = "DIR")]
    pub(crate) profile: Option<PathBuf>,
    /// Give up with exit code 8 when it takes longer to connect, or, after the end of input, until
    /// everything is acknowledged. What is unsent stays in the outbox.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Option<Duration>,
    /// Longest pause before connecting again [default: 30s].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) longest_pause: Option<Duration>,
}

#[derive(Debug, clap::Args)]
#[command(after_long_help = CONNECT_HELP)]
pub(crate) struct ConnectArgs {
    #[command(flatten)]
    pub(crate) dial: DialArgs,
    /// Join this room; may be given several times.
    #[arg(long, value_name = "ROOM")]
    pub(crate) join: Vec<RoomName>,
    /// One line of text per event. Reads well in a screen reader, too.
    #[arg(long, conflicts_with = "json")]
    pub(crate) plain: bool,
    /// One JSON object per line, both ways.
    #[arg(long)]
    pub(crate) json: bool,
    /// Ignore the end of input, for services.
    #[arg(long)]
    pub(crate) stay: bool,
    /// How many earlier messages of the joined room plain mode shows at the start.
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    pub(crate) history: u32,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SendArgs {
    #[command(flatten)]
    pub(crate) dial: DialArgs,
    /// The text; - or nothing reads it from stdin.
    pub(crate) text: Option<String>,
    /// Send to this account and not to the link's room.
    #[arg(long, value_name = "NAME")]
    pub(crate) to: Option<AccountName>,
    /// The id of the message, 32 hexadecimal digits: the same id is the same message.
    #[arg(long, value_name = "HEX")]
    pub(crate) id: Option<SendId>,
    /// Send this file. What was sent so far is kept when it takes too long or is interrupted, and the
    /// next start goes on with it.
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    pub(crate) file: Option<PathBuf>,
}

/// Which server an operator means.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DataArgs {
    /// The server's data directory; works with the server running or stopped [default: as `serve`
    /// has it].
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct UserArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(subcommand)]
    pub(crate) verb: UserVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserVerb {
    /// Open an account.
    Add {
        /// Its name.
        name: AccountName,
        /// It sees every room and may join it, and acts as an owner in those that it is in.
        #[arg(long)]
        admin: bool,
        /// A file with the password; else CHAT_PASSWORD, else a prompt.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Set a password, and lock the account's devices out.
    Passwd {
        /// Whose.
        name: AccountName,
        /// A file with the password; else CHAT_PASSWORD, else a prompt.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Delete an account. What it said stays.
    Del {
        /// Which.
        name: AccountName,
    },
    /// List the accounts.
    List {
        /// One JSON object per account.
        #[arg(long)]
        json: bool,
    },
    /// Say what an account may do.
    Role {
        /// Whose.
        name: AccountName,
        /// user, or admin: sees every room and may join it, and acts as an owner in those that it is in.
        role: RightsArg,
    },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum RightsArg {
    User,
    Admin,
}

#[derive(Debug, clap::Args)]
pub(crate) struct InviteArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// How many accounts may be opened with it.
    #[arg(long, default_value_t = 1)]
    pub(crate) uses: u32,
    /// How long it is good.
    #[arg(long, default_value = "7d", value_parser = humantime::parse_duration)]
    pub(crate) expires: Duration,
    /// The address that the link names.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) public: Option<String>,
    /// Print it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct KeyArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(subcommand)]
    pub(crate) verb: KeyVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyVerb {
    /// Print the fingerprint.
    Show,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PluginArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(subcommand)]
    pub(crate) verb: PluginVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginVerb {
    /// List the plugins of a running server: calls, how long 99 of 100 of them took, errors, state.
    List {
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Look at a file as a server would before it loads it: in a process of its own.
    Check {
        /// The plugin.
        file: PathBuf,
        /// The server's TOML file, for what it says under [plugin.NAME].
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Begin a plugin of one's own: a folder with a source that works, and how to build it.
    New {
        /// The new folder; its name is the plugin's.
        dir: PathBuf,
        /// In which language.
        #[arg(long, value_name = "LANGUAGE", default_value = "c")]
        lang: PluginLanguage,
    },
    /// Read the configuration again and load files anew, also those that were stopped for their faults.
    Reload {
        /// Which; all of them without it.
        name: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum PluginLanguage {
    C,
    Rust,
}

#[derive(Debug, clap::Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// The new folder.
    pub(crate) to: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ManArgs {
    /// Where to put them.
    pub(crate) dir: PathBuf,
}

/// Options of all commands come after those of one.
const LAST: usize = 900;

const EXAMPLES: &str = "\
Examples:
  chat-cli serve
  chat-cli connect chat://127.0.0.1:7878/lobby --user ann --register --accept-new
  echo 'build failed' | chat-cli connect chat://bot@chat.example:7878/ci
  chat-cli send chat://bot@chat.example:7878/ci 'build failed'
  chat-cli invite --uses 5 --expires 7d

Exit codes:
  0 ok, 1 failure, 2 usage, 3 cannot connect, 4 login refused, 5 server key mismatch,
  6 kicked or banned, 7 protocol version, 8 timeout, 9 replaced by a newer login or profile in use,
  78 bad configuration or data directory in use";

const CONNECT_HELP: &str = "\
Plain lines, one per event:
  2026-11-23T08:20:57Z #room <ann> text
  2026-11-23T08:20:57Z @bob <bob> text        (@ names the other account)
  2026-11-23T08:20:57Z #room -- bob joined
  2026-11-23T08:20:57Z -- bob is online

What is typed goes to the current room; /help lists the commands. The end of input waits until
everything is acknowledged and leaves. `chat-cli man DIR` writes the manual page of this command,
which has all JSON lines.";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(words: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(words.split(' '))
    }

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_verb_of_the_contract_is_understood() {
        for words in [
            "chat-cli serve --listen 127.0.0.1:0 --listen [::1]:0 --data /d --store memory --public h:1 --json",
            "chat-cli serve --registration invite --retention-age 90d --retention-count 5 --plugins p --metrics h:1 --config f",
            "chat-cli connect chat://h:1/lobby --user ann --password-file f --register --join a --join b --accept-new --json --profile p --stay --timeout 5s",
            "chat-cli connect chat://h:1 --fingerprint SHA256:x --plain",
            "chat-cli send chat://h:1/r hi",
            "chat-cli send chat://h:1 - --to bob",
            "chat-cli send chat://h:1/r --file a.png",
            "chat-cli user add ann --data /d --password-file f --admin",
            "chat-cli user --data /d list --json",
            "chat-cli user passwd ann",
            "chat-cli user del ann",
            "chat-cli user role ann admin",
            "chat-cli invite --uses 3 --expires 7d --data /d",
            "chat-cli key show --data /d",
            "chat-cli plugin check f --config c",
            "chat-cli plugin list --json",
            "chat-cli plugin new d --lang rust",
            "chat-cli plugin reload dice",
            "chat-cli plugin reload --data /d",
            "chat-cli backup /b --data /d",
            "chat-cli man /m",
        ] {
            parse(words).unwrap_or_else(|error| panic!("{words}: {error}"));
        }
    }

    #[test]
    fn nonsense_is_a_usage_error() {
        for words in [
            "chat-cli",
            "chat-cli dance",
            "chat-cli connect chat://h:1 --plain --json",
            "chat-cli connect chat://h:1 --accept-new --fingerprint x",
            "chat-cli connect chat://h:1 --user a/b",
            "chat-cli connect chat://h:1 --password x",
            "chat-cli send chat://h:1/r hi --file a.png",
            "chat-cli serve --registration anyone",
        ] {
            let error = parse(words).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{words}");
        }
    }
}
