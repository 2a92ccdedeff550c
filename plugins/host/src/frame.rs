//! What server and helper say to each other: length, tag, body. Questions and answers are written by hand,
//! they are many; the rest is JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use chat_plugin_abi as abi;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::shown::Shown;

/// From the server to its helper.
#[derive(Debug)]
pub(crate) enum Down {
    /// The first one: what to load.
    Start(Box<Start>),
    /// A hook is to be called.
    Call { id: u64, shown: Arc<Shown> },
    /// A timer has run off.
    Timer { id: u64, timer: u64 },
    /// The state is to be handed over.
    Save { id: u64 },
    /// The state of the version before.
    Restore { id: u64, state: Vec<u8> },
    /// What is kept, as it is after the version before said its last.
    Values(BTreeMap<String, Vec<u8>>),
    /// A deferred answer is not waited for any more.
    Expired { id: u64 },
    /// The configuration has changed.
    Config(Config),
    /// All commands that there are now.
    Commands(String),
    /// The engine took, or refused, one of the entries and notices of the plugin.
    Said,
    /// Destroy the instance and end.
    Stop,
}

/// From a helper to its server.
#[derive(Debug)]
pub(crate) enum Up {
    /// What it is about to do: for the message when it never says anything again.
    Stage(Stage),
    /// It is ready, or never will be.
    Ready(Result<Box<About>, String>),
    /// The answer to a call.
    Done { id: u64, nanos: u64, answer: Answer },
    /// The answer to a call that was deferred.
    Resolved { id: u64, answer: Answer },
    /// What `save` and `restore` came to.
    Saved {
        id: u64,
        state: Result<Vec<u8>, String>,
    },
    /// A host call.
    Wish(Wish),
}

/// What a helper is about to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub(crate) enum Stage {
    Started,
    Loading,
    Init,
    Destroy,
}

/// What to load, and what it is to know.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Start {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) state_dir: String,
    pub(crate) version: String,
    pub(crate) capabilities: u64,
    pub(crate) probe: bool,
    /// So many answers are sent one by one: the helper before this one died, and if it happens again, it has
    /// to be known in which call.
    pub(crate) careful: u32,
    pub(crate) config: Config,
    pub(crate) values: BTreeMap<String, Vec<u8>>,
}

/// What the operator wrote under `[plugin.NAME]`.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Each value as text.
    pub values: BTreeMap<String, String>,
    /// All of it as one JSON object.
    pub json: String,
}

/// What a plugin says about itself, and what it takes part in.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// Reverse DNS.
    pub id: String,
    /// For people.
    pub title: String,
    /// For people.
    pub version: String,
    /// For people.
    pub license: String,
    /// What it wants to be allowed.
    pub capabilities: u64,
    /// Hooks with their priorities.
    pub hooks: BTreeMap<u32, i32>,
    /// Commands with what they take and do.
    pub commands: BTreeMap<String, String>,
}

/// What a hook answered.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Answer {
    pub(crate) verdict: abi::chat_verdict,
    pub(crate) text: Option<String>,
    pub(crate) reason: Option<String>,
}

/// What a plugin asks of the server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Wish {
    Log {
        level: i32,
        text: String,
    },
    Send {
        room: Option<String>,
        to: Option<String>,
        text: String,
    },
    Tell {
        account: String,
        room: Option<String>,
        text: String,
    },
    Reply {
        call: u64,
        text: String,
    },
    Keep {
        key: String,
        value: Option<Vec<u8>>,
    },
    Metric {
        name: String,
        change: Metric,
    },
    Timer {
        timer: u64,
        times: Option<(u64, u64)>,
    },
}

impl Wish {
    /// Whether it waits for the engine, for which there is a bound.
    pub(crate) const fn is_said(&self) -> bool {
        matches!(
            self,
            Self::Send { .. } | Self::Tell { .. } | Self::Reply { .. }
        )
    }
}

/// A change of a metric.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub(crate) enum Metric {
    Add(u64),
    Set(i64),
}

/// Appends a frame.
fn frame(out: &mut Vec<u8>, tag: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let begin = out.len();
    out.extend_from_slice(&[0, 0, 0, 0, tag]);
    body(out);
    let length = (out.len() - begin - 4) as u32;
    out[begin..begin + 4].copy_from_slice(&length.to_le_bytes());
}

fn json(out: &mut Vec<u8>, value: &impl Serialize) {
    // Into memory, of types without maps of odd keys: nothing there can fail.
    if let Err(error) = serde_json::to_writer(out, value) {
        tracing::error!(%error, "a frame can't be written");
    }
}

/// Writes a question without making a copy of its event first.
pub(crate) fn write_call(id: u64, shown: &Shown, capabilities: u64, out: &mut Vec<u8>) {
    frame(out, 1, |out| {
        out.extend_from_slice(&id.to_le_bytes());
        shown.encode(capabilities, out);
    });
}

impl Down {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Call { id, shown } => write_call(*id, shown, u64::MAX, out),
            Self::Start(start) => frame(out, 0, |out| json(out, start)),
            Self::Timer { id, timer } => frame(out, 2, |out| {
                out.extend_from_slice(&id.to_le_bytes());
                out.extend_from_slice(&timer.to_le_bytes());
            }),
            Self::Save { id } => frame(out, 3, |out| out.extend_from_slice(&id.to_le_bytes())),
            Self::Restore { id, state } => frame(out, 4, |out| {
                out.extend_from_slice(&id.to_le_bytes());
                out.extend_from_slice(state);
            }),
            Self::Values(values) => frame(out, 5, |out| json(out, values)),
            Self::Expired { id } => frame(out, 6, |out| out.extend_from_slice(&id.to_le_bytes())),
            Self::Config(config) => frame(out, 7, |out| json(out, config)),
            Self::Stop => frame(out, 8, |_| ()),
            Self::Said => frame(out, 10, |_| ()),
            Self::Commands(list) => {
                frame(out, 9, |out| out.extend_from_slice(list.as_bytes()));
            }
        }
    }

    pub(crate) fn read(tag: u8, body: &[u8]) -> Option<Self> {
        Some(match tag {
            0 => Self::Start(serde_json::from_slice(body).ok()?),
            1 => {
                let (id, shown) = number(body)?;
                Self::Call {
                    id,
                    shown: Arc::new(Shown::decode(shown)?),
                }
            }
            2 => {
                let (id, rest) = number(body)?;
                let (timer, _) = number(rest)?;
                Self::Timer { id, timer }
            }
            3 => Self::Save {
                id: number(body)?.0,
            },
            4 => {
                let (id, state) = number(body)?;
                Self::Restore {
                    id,
                    state: state.to_vec(),
                }
            }
            5 => Self::Values(serde_json::from_slice(body).ok()?),
            6 => Self::Expired {
                id: number(body)?.0,
            },
            7 => Self::Config(serde_json::from_slice(body).ok()?),
            8 => Self::Stop,
            10 => Self::Said,
            9 => Self::Commands(String::from_utf8(body.to_vec()).ok()?),
            _ => return None,
        })
    }
}

impl Up {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Done { id, nanos, answer } => frame(out, 1, |out| {
                out.extend_from_slice(&id.to_le_bytes());
                out.extend_from_slice(&nanos.to_le_bytes());
                answer.write(out);
            }),
            Self::Resolved { id, answer } => frame(out, 2, |out| {
                out.extend_from_slice(&id.to_le_bytes());
                answer.write(out);
            }),
            Self::Stage(stage) => frame(out, 3, |out| json(out, stage)),
            Self::Ready(ready) => frame(out, 4, |out| json(out, ready)),
            Self::Saved { id, state } => frame(out, 5, |out| {
                out.extend_from_slice(&id.to_le_bytes());
                match state {
                    Ok(state) => {
                        out.push(0);
                        out.extend_from_slice(state);
                    }
                    Err(text) => {
                        out.push(1);
                        out.extend_from_slice(text.as_bytes());
                    }
                }
            }),
            Self::Wish(wish) => frame(out, 6, |out| json(out, wish)),
        }
    }

    pub(crate) fn read(tag: u8, body: &[u8]) -> Option<Self> {
        Some(match tag {
            1 => {
                let (id, rest) = number(body)?;
                let (nanos, rest) = number(rest)?;
                let answer = Answer::read(rest)?;
                Self::Done { id, nanos, answer }
            }
            2 => {
                let (id, rest) = number(body)?;
                let answer = Answer::read(rest)?;
                Self::Resolved { id, answer }
            }
            3 => Self::Stage(serde_json::from_slice(body).ok()?),
            4 => Self::Ready(serde_json::from_slice(body).ok()?),
            5 => {
                let (id, rest) = number(body)?;
                let (&failed, state) = rest.split_first()?;
                Self::Saved {
                    id,
                    state: match failed {
                        0 => Ok(state.to_vec()),
                        _ => Err(String::from_utf8_lossy(state).into_owned()),
                    },
                }
            }
            6 => Self::Wish(serde_json::from_slice(body).ok()?),
            _ => return None,
        })
    }
}

impl Answer {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.verdict.to_le_bytes());
        for text in [&self.text, &self.reason] {
            let length = text.as_ref().map_or(u32::MAX, |text| text.len() as u32);
            out.extend_from_slice(&length.to_le_bytes());
            if let Some(text) = text {
                out.extend_from_slice(text.as_bytes());
            }
        }
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (verdict, mut rest) = bytes.split_first_chunk::<4>()?;
        let mut text = || {
            let (length, after) = rest.split_first_chunk::<4>()?;
            let length = u32::from_le_bytes(*length);
            if length == u32::MAX {
                rest = after;
                return Some(None);
            }
            let (text, after) = after.split_at_checked(length as usize)?;
            rest = after;
            Some(Some(std::str::from_utf8(text).ok()?.to_owned()))
        };
        Some(Self {
            verdict: i32::from_le_bytes(*verdict),
            text: text()?,
            reason: text()?,
        })
    }
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*number), rest))
}

/// Collects bytes and hands out whole frames.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    taken: usize,
}

impl Frames {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.taken > 0 {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next frame's tag and body.
    ///
    /// # Errors
    ///
    /// The other end says nonsense.
    pub(crate) fn next(&mut self) -> Result<Option<(u8, &[u8])>, ()> {
        let rest = &self.bytes[self.taken..];
        let Some((length, rest)) = rest.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*length) as usize;
        if length == 0 || length > limits::FRAME_BYTES {
            return Err(());
        }
        let Some(frame) = rest.get(..length) else {
            return Ok(None);
        };
        self.taken += 4 + length;
        frame
            .split_first()
            .map(|(tag, body)| Some((*tag, body)))
            .ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_in_all_cuts() {
        let answer = Answer {
            verdict: -3,
            text: Some("é".into()),
            reason: None,
        };
        let ups = [
            Up::Stage(Stage::Init),
            Up::Ready(Err("no".into())),
            Up::Done {
                id: 9,
                nanos: 5,
                answer,
            },
            Up::Saved {
                id: 1,
                state: Ok(vec![1, 2]),
            },
            Up::Wish(Wish::Metric {
                name: "n".into(),
                change: Metric::Set(-1),
            }),
        ];
        let mut bytes = Vec::new();
        for up in &ups {
            up.write(&mut bytes);
        }
        for cut in 1..12 {
            let mut frames = Frames::default();
            let mut read = Vec::new();
            for part in bytes.chunks(cut) {
                frames.push(part);
                while let Some((tag, body)) = frames.next().unwrap() {
                    read.push(format!("{:?}", Up::read(tag, body).unwrap()));
                }
            }
            let written: Vec<String> = ups.iter().map(|up| format!("{up:?}")).collect();
            assert_eq!(read, written);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let mut frames = Frames::default();
        frames.push(&[0, 0, 0, 0]);
        assert!(frames.next().is_err());
        let mut frames = Frames::default();
        frames.push(&u32::MAX.to_le_bytes());
        assert!(frames.next().is_err());
        for tag in 0..20 {
            for length in 0..40 {
                let body = vec![0xff; length];
                let _ = (Up::read(tag, &body), Down::read(tag, &body));
            }
        }
    }
}
