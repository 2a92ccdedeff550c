//! What operators do: accounts, invites, the key, backups.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use chat_engine::{Secret, limits, url};

use crate::args::{
    BackupArgs, DataArgs, InviteArgs, KeyArgs, KeyVerb, RightsArg, UserArgs, UserVerb,
};
use crate::control::{Desk, Hidden, Reply, User, Wish};
use crate::exit::{Failure, complain};
use crate::paths;

pub(crate) fn user(args: &UserArgs) -> Result<(), Failure> {
    let wish = match &args.verb {
        UserVerb::Add {
            name,
            admin,
            password_file,
        } => Wish::UserAdd {
            name: name.to_string(),
            password: new_password(password_file.as_deref(), name.as_str())?,
            admin: *admin,
        },
        UserVerb::Passwd {
            name,
            password_file,
        } => Wish::UserPasswd {
            name: name.to_string(),
            password: new_password(password_file.as_deref(), name.as_str())?,
        },
        UserVerb::Del { name } => Wish::UserDel {
            name: name.to_string(),
        },
        UserVerb::Role { name, role } => Wish::UserRole {
            name: name.to_string(),
            admin: *role == RightsArg::Admin,
        },
        UserVerb::List { json } => return list(&args.data, *json),
    };
    // Accounts may be there before the first start; the other verbs need a server that was.
    let may_make = matches!(args.verb, UserVerb::Add { .. });
    at_desk(&args.data, may_make, |desk| desk.ask(wish).map(drop))
}

pub(crate) fn invite(args: &InviteArgs) -> Result<(), Failure> {
    let wish = Wish::Invite {
        uses: args.uses,
        seconds: args.expires.as_secs(),
    };
    let Reply::Invite {
        token,
        address,
        fingerprint,
    } = at_desk(&args.data, true, |desk| desk.ask(wish))?
    else {
        return Err(unexpected());
    };
    let address = args.public.clone().or(address).unwrap_or_else(|| {
        let usual = format!("127.0.0.1:{}", url::PORT);
        complain(&format!(
            "the server does not run, so the link names {usual}; say --public HOST:PORT"
        ));
        usual
    });
    let link = url::invite(&address, &fingerprint, Some(&token));
    match args.json {
        true => print(&format!("{{\"type\":\"invite\",\"invite\":\"{link}\"}}\n")),
        false => print(&format!("{link}\n")),
    }
}

pub(crate) fn key(args: &KeyArgs) -> Result<(), Failure> {
    let KeyVerb::Show = args.verb;
    match at_desk(&args.data, false, |desk| desk.ask(Wish::Key))? {
        Reply::Key { fingerprint } => print(&format!("{fingerprint}\n")),
        _ => Err(unexpected()),
    }
}

pub(crate) fn backup(args: &BackupArgs) -> Result<(), Failure> {
    // The running server has another working directory.
    let to = std::path::absolute(&args.to)
        .map_err(|error| Failure::Failed(format!("{}: {error}", args.to.display())))?;
    at_desk(&args.data, false, |desk| {
        desk.ask(Wish::Backup { to }).map(drop)
    })
}

/// Reads a password that is there already: from the file, or from `CHAT_PASSWORD`.
pub(crate) fn given_password(file: Option<&Path>) -> Result<Option<Secret>, Failure> {
    let Some(file) = file else {
        let from_environment = std::env::var("CHAT_PASSWORD").ok();
        return Ok(from_environment
            .filter(|text| !text.is_empty())
            .map(Secret::new));
    };
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::Failed(format!("cannot read {}: {error}", file.display())))?;
    // An editor ends the file with a line end that is no part of the password.
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    Ok(Some(Secret::new(text)))
}

/// Asks at the terminal, where nobody else sees it.
pub(crate) fn ask_password(prompt: &str) -> Result<Secret, Failure> {
    rpassword::prompt_password(prompt)
        .map(Secret::new)
        .map_err(|error| Failure::Failed(format!("cannot read a password: {error}")))
}

/// Asks for a password that will be needed again, so twice.
pub(crate) fn ask_new_password(name: &str) -> Result<Secret, Failure> {
    let first = ask_password(&format!("New password of {name}: "))?;
    // The server's rule, before the person types it again.
    if first.reveal().len() < limits::PASSWORD_MIN_BYTES {
        return Err(Failure::Failed(format!(
            "a password has at least {} bytes; try again with a longer one",
            limits::PASSWORD_MIN_BYTES
        )));
    }
    match first == ask_password("The same again: ")? {
        true => Ok(first),
        false => Err(Failure::Failed("the two differ; try again".to_owned())),
    }
}

fn new_password(file: Option<&Path>, name: &str) -> Result<Hidden, Failure> {
    let secret = match given_password(file)? {
        Some(secret) => secret,
        None if io::stdin().is_terminal() => ask_new_password(name)?,
        None => {
            return Err(Failure::Usage(
                "say the password with --password-file or CHAT_PASSWORD".to_owned(),
            ));
        }
    };
    Ok(Hidden(secret.reveal().to_owned()))
}

fn list(data: &DataArgs, json: bool) -> Result<(), Failure> {
    let mut users = Vec::new();
    at_desk(data, false, |desk| {
        loop {
            let after = users.last().map(|user: &User| user.name.clone());
            let Reply::Users { items, more } = desk.ask(Wish::UserList { after })? else {
                return Err(unexpected());
            };
            let empty = items.is_empty();
            users.extend(items);
            if !more || empty {
                return Ok(());
            }
        }
    })?;
    print(&listing(&users, json))
}

fn listing(users: &[User], json: bool) -> String {
    let line = |user: &User| match json {
        true => serde_json::to_string(user).unwrap_or_default() + "\n",
        false => format!(
            "{:<24} {:<6} {} {:>3} devices{}{}\n",
            user.name,
            user.role,
            user.created.get(..10).unwrap_or(&user.created),
            user.devices,
            if user.online { ", online" } else { "" },
            if user.password { "" } else { ", no password" },
        ),
    };
    users.iter().map(line).collect()
}

pub(crate) fn at_desk<T>(
    args: &DataArgs,
    may_make: bool,
    work: impl FnOnce(&mut Desk) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let data: PathBuf = match &args.data {
        Some(data) => data.clone(),
        None => paths::data()?,
    };
    if !may_make && !data.exists() {
        return Err(Failure::Failed(format!(
            "there is no data directory {}; name the server's with --data",
            data.display()
        )));
    }
    let mut desk = Desk::open(&data)?;
    let result = work(&mut desk);
    desk.close();
    result
}

pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

pub(crate) fn unexpected() -> Failure {
    Failure::Failed(
        "the running server answered something else; is it of another version?".to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_listed_for_people_and_for_programs() {
        let users = [User {
            name: "ann".into(),
            role: "admin".into(),
            created: "2026-01-02T03:04:05.678Z".into(),
            devices: 2,
            online: true,
            password: false,
        }];
        assert_eq!(
            listing(&users, false),
            "ann                      admin  2026-01-02   2 devices, online, no password\n"
        );
        assert_eq!(
            listing(&users, true),
            "{\"name\":\"ann\",\"role\":\"admin\",\"created\":\"2026-01-02T03:04:05.678Z\",\"devices\":2,\"online\":true,\"password\":false}\n"
        );
    }
}
