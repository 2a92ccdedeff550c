//! The face for programs: JSON lines both ways. What stands in them is the engine's business.

use std::io::{self, Write};

use chat_engine::json::{Input, LineError, Lines, parse_line};
use chat_engine::{Code, Command, CommandId, Error, Event, FileSource};

use super::{Face, Purpose, Wish};
use crate::bars;

pub(super) struct Json<W> {
    out: W,
    lines: Lines,
    /// The question for labels that nobody shall see.
    labels: Option<CommandId>,
}

impl<W: Write> Json<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            lines: Lines::new(),
            labels: None,
        }
    }

    fn print(&mut self, line: &str) -> io::Result<()> {
        self.out.write_all(format!("{line}\n").as_bytes())?;
        self.out.flush()
    }
}

impl<W: Write> Face for Json<W> {
    fn start(&mut self) -> Vec<Wish> {
        vec![Wish {
            command: Command::Outbox,
            purpose: Purpose::Labels,
        }]
    }

    fn typed(&mut self, line: &str) -> io::Result<Vec<Wish>> {
        if line.trim().is_empty() {
            return Ok(Vec::new());
        }
        let resolve = |input: Input| {
            let reference = input.reference.clone();
            let command = self.lines.resolve(input)?;
            Ok((command, reference))
        };
        let resolved: Result<_, LineError> = parse_line(line).and_then(resolve);
        match resolved {
            Ok((command, reference)) => Ok(vec![Wish {
                command: with_media_type(command),
                purpose: Purpose::Asked(reference),
            }]),
            Err(error) => {
                self.print(&error.to_line())?;
                Ok(Vec::new())
            }
        }
    }

    fn unreadable(&mut self, why: &str) -> io::Result<()> {
        let error = LineError {
            reference: None,
            code: Code::BadRequest,
            text: why.to_owned(),
        };
        self.print(&error.to_line())
    }

    fn asked(&mut self, id: CommandId, wish: &Wish) {
        let reference = match &wish.purpose {
            Purpose::Asked(reference) => reference.clone(),
            Purpose::Labels => {
                self.labels = Some(id);
                return;
            }
            Purpose::Join(_) | Purpose::Backlog => None,
        };
        self.lines.asked(id, reference, &wish.command);
    }

    fn not_taken(&mut self, wish: &Wish, error: &Error) -> io::Result<()> {
        let reference = match &wish.purpose {
            Purpose::Asked(reference) => reference.as_deref(),
            _ => None,
        };
        let line = self.lines.not_taken(reference, error);
        self.print(&line)
    }

    fn event(&mut self, event: &Event) -> io::Result<Vec<Wish>> {
        if let Event::Outbox { command, items } = event
            && self.labels == Some(*command)
        {
            self.labels = None;
            self.lines.learn(items);
            return Ok(Vec::new());
        }
        for line in self.lines.event(event) {
            self.print(&line)?;
        }
        Ok(Vec::new())
    }

    fn failed(&self) -> bool {
        // A script reads the `error` lines.
        false
    }

    fn asks(&self) -> bool {
        false
    }
}

/// A file whose line does not say what it is gets what its name says.
fn with_media_type(mut command: Command) -> Command {
    if let Command::SendFile {
        source: FileSource::Path(path),
        media_type,
        ..
    } = &mut command
        && media_type.is_empty()
    {
        *media_type = bars::media_type(path);
    }
    command
}

#[cfg(test)]
mod tests {
    use chat_engine::{ItemState, SendId};

    use super::*;

    fn printed(json: &Json<Vec<u8>>) -> &str {
        std::str::from_utf8(&json.out).unwrap()
    }

    #[test]
    fn a_bad_line_is_answered_and_a_good_one_becomes_a_wish() {
        let mut json = Json::new(Vec::new());
        assert!(json.typed("  ").unwrap().is_empty());
        assert!(json.typed(r#"{"type":"x","ref":"1"}"#).unwrap().is_empty());
        assert_eq!(
            printed(&json),
            "{\"type\":\"error\",\"ref\":\"1\",\"code\":\"bad_request\",\"message\":\"`type`: there is no \\\"x\\\"\"}\n"
        );
        let wishes = json.typed(r#"{"type":"outbox","ref":"2"}"#).unwrap();
        assert_eq!(
            wishes,
            [Wish {
                command: Command::Outbox,
                purpose: Purpose::Asked(Some("2".into()))
            }]
        );
        json.asked(CommandId(2), &wishes[0]);
        let answer = Event::Outbox {
            command: CommandId(2),
            items: Vec::new(),
        };
        json.event(&answer).unwrap();
        assert!(printed(&json).ends_with("{\"type\":\"outbox\",\"ref\":\"2\",\"items\":[]}\n"));
    }

    #[test]
    fn a_send_of_an_earlier_run_is_cancelled_by_its_ref() {
        let mut json = Json::new(Vec::new());
        let start = json.start();
        json.asked(CommandId(1), &start[0]);
        let answer = Event::Outbox {
            command: CommandId(1),
            items: vec![(SendId([7; 16]), "old".into(), ItemState::Pending)],
        };
        json.event(&answer).unwrap();
        assert_eq!(printed(&json), "");
        let wishes = json.typed(r#"{"type":"cancel","ref":"old"}"#).unwrap();
        assert_eq!(wishes[0].command, Command::Cancel(SendId([7; 16])));
    }
}
