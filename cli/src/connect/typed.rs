//! What comes in on stdin.

use std::io::{self, BufRead, IsTerminal, Read};
use std::thread;

use async_channel::Receiver;
use chat_engine::limits;

use crate::exit::Failure;

/// A line of input.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Typed {
    /// Without its end.
    Line(String),
    /// It can't be used; why.
    Bad(&'static str),
}

/// Whether a person types.
pub(super) fn is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// Reads stdin on a thread of its own, and no further than the program keeps up. The channel ends with
/// the input.
pub(super) fn lines() -> Result<Receiver<Typed>, Failure> {
    let (sender, receiver) = async_channel::bounded(AHEAD);
    let read = move || {
        let mut input = io::stdin().lock();
        while let Some(typed) = next(&mut input) {
            if sender.send_blocking(typed).is_err() {
                return;
            }
        }
    };
    thread::Builder::new()
        .name("chat-stdin".to_owned())
        .spawn(read)
        .map_err(|error| Failure::Failed(format!("cannot start a thread: {error}")))?;
    Ok(receiver)
}

/// Reads one line, holding no more of it than can be used.
fn next(input: &mut impl BufRead) -> Option<Typed> {
    let mut line = Vec::new();
    let limit = limits::JSON_LINE_BYTES as u64 + 1;
    // An input that breaks has ended.
    let read = input.by_ref().take(limit).read_until(b'\n', &mut line);
    if read.unwrap_or(0) == 0 {
        return None;
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    } else if line.len() > limits::JSON_LINE_BYTES {
        skip_line(input);
        return Some(Typed::Bad("the line is too long"));
    }
    Some(match String::from_utf8(line) {
        Ok(line) => Typed::Line(line),
        Err(_) => Typed::Bad("the line is not UTF-8"),
    })
}

fn skip_line(input: &mut impl BufRead) {
    loop {
        let Ok(bytes) = input.fill_buf() else { return };
        let (length, done) = match bytes.iter().position(|byte| *byte == b'\n') {
            Some(end) => (end + 1, true),
            None => (bytes.len(), bytes.is_empty()),
        };
        input.consume(length);
        if done {
            return;
        }
    }
}

/// Lines that are read ahead.
const AHEAD: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut input: &[u8]) -> Vec<Typed> {
        std::iter::from_fn(|| next(&mut input)).collect()
    }

    #[test]
    fn lines_end_in_any_way() {
        let line = |text: &str| Typed::Line(text.into());
        assert_eq!(
            all(b"a\r\nb\n\nc"),
            [line("a"), line("b"), line(""), line("c")]
        );
        assert_eq!(all(b""), []);
    }

    #[test]
    fn what_cannot_be_used_costs_only_its_line() {
        let mut input = vec![b'x'; limits::JSON_LINE_BYTES * 3];
        input.extend_from_slice(b"\n\xff\nok\n");
        assert_eq!(
            all(&input),
            [
                Typed::Bad("the line is too long"),
                Typed::Bad("the line is not UTF-8"),
                Typed::Line("ok".into())
            ]
        );
    }
}
