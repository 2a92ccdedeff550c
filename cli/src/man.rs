//! The man pages, from the command line's own description.

use std::fs;
use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::args::Args;
use crate::exit::Failure;

pub(crate) fn write(dir: &Path) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::Failed(format!("{}: {error}", dir.display()));
    fs::create_dir_all(dir).map_err(failed)?;
    for (name, page) in pages().map_err(failed)? {
        fs::write(dir.join(name), page).map_err(failed)?;
    }
    Ok(())
}

fn pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut command = Args::command();
    command.build();
    let mut pages = vec![("chat-cli.1".to_owned(), page(&command, "chat-cli")?)];
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        if verb.get_name() == "help" {
            continue;
        }
        let name = format!("chat-cli-{}", verb.get_name());
        let mut text = page(verb, &name)?;
        if verb.get_name() == "connect" {
            section(&mut text, "PLAIN LINES", PLAIN);
            section(&mut text, "JSON LINES", JSON);
        }
        pages.push((format!("{name}.1"), text));
    }
    Ok(pages)
}

fn page(command: &Command, name: &str) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    // The builder wants names for ever.
    let title = name.to_uppercase();
    Man::new(command.clone()).title(title).render(&mut text)?;
    Ok(text)
}

fn section(page: &mut Vec<u8>, heading: &str, text: &str) {
    page.extend_from_slice(format!(".SH \"{heading}\"\n.nf\n").as_bytes());
    for line in text.lines() {
        page.extend_from_slice(escape(line).as_bytes());
        page.push(b'\n');
    }
    page.extend_from_slice(b".fi\n");
}

/// A line that roff prints as it is.
fn escape(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-");
    match line.starts_with(['.', '\'']) {
        true => format!("\\&{line}"),
        false => line,
    }
}

const PLAIN: &str = include_str!("../man/plain.txt");
const JSON: &str = include_str!("../man/json.txt");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_a_page_and_connect_tells_its_lines() {
        let pages = pages().unwrap();
        let page = |name: &str| {
            let found = pages.iter().find(|(page, _)| page == name);
            String::from_utf8(found.unwrap().1.clone()).unwrap()
        };
        for verb in ["serve", "send", "user", "invite", "key", "plugin", "backup"] {
            assert!(page(&format!("chat-cli-{verb}.1")).contains(".SH"));
        }
        let connect = page("chat-cli-connect.1");
        assert!(connect.contains(".SH \"JSON LINES\""));
        assert!(connect.contains("{\"type\":\"send\",\"room\":\"lobby\""));
        assert!(page("chat-cli.1").contains("Exit codes"));
    }

    #[test]
    fn roff_commands_in_texts_are_text() {
        assert_eq!(escape(".SH a\\b-c"), "\\&.SH a\\eb\\-c");
        assert_eq!(escape("'x"), "\\&'x");
    }
}
