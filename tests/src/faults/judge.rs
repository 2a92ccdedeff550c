//! Whether the promise was kept, by what the clients printed and nothing else.
//!
//! The promise: an acknowledged message reaches everybody who may see it; within one run of a client
//! program each entry is shown once, in order, with no hole; after a crash of the client an entry may
//! come again under the same seq.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

/// What one client printed, all its runs.
#[derive(Clone, Debug)]
pub struct Transcript {
    /// Its account.
    pub name: String,
    /// Its runs, in order.
    pub runs: Vec<Run>,
}

/// One run of a client program.
#[derive(Clone, Debug)]
pub struct Run {
    /// Each line: microseconds, a tab, what was printed.
    pub lines: PathBuf,
    /// It was killed: the next run may repeat what this one showed.
    pub crashed: bool,
}

/// Who may see which conversation. A room has its name, a direct conversation is `ann+bob`.
pub type Audience = BTreeMap<String, Vec<String>>;

/// What the judge found.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Sends that were acknowledged.
    pub acked: u64,
    /// Messages that were shown, all clients together, repetitions not counted.
    pub shown: u64,
    /// Acknowledged or queued, and missing at somebody who may see it, or in the log that is read back.
    pub lost: u64,
    /// Shown twice in one run, or kept twice under different seqs, or acknowledged twice in one run.
    pub duplicated: u64,
    /// Shown out of order, or with a hole before it, or in another order than elsewhere.
    pub reordered: u64,
    /// `gap` events and changed epochs: nothing in a run makes either legal.
    pub gaps: u64,
    /// Sends that ended in an error.
    pub refused: u64,
    /// Shown to somebody who may not see it.
    pub leaked: u64,
    /// Shown again after a crash of the client, which is allowed.
    pub repeated: u64,
    /// Kills of the server at which some send had no answer yet.
    pub kills_with_unacked: u64,
    /// The first few violations, in words.
    pub stories: Vec<String>,
}

impl Verdict {
    /// Whether the promise was kept.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.violations() == 0
    }

    /// How often it was not.
    #[must_use]
    pub fn violations(&self) -> u64 {
        self.lost + self.duplicated + self.reordered + self.gaps + self.refused + self.leaked
    }

    fn story(&mut self, text: impl FnOnce() -> String) {
        if self.stories.len() < STORIES {
            self.stories.push(text());
        }
    }
}

/// Reads the transcripts and judges. `kills` are the moments, in the transcripts' microseconds, at
/// which the server was killed.
///
/// # Errors
///
/// When a transcript can't be read.
pub fn judge(
    transcripts: &[Transcript],
    audience: &Audience,
    kills: &[u64],
) -> io::Result<Verdict> {
    let mut court = Court {
        audience,
        kills,
        unacked: vec![false; kills.len()],
        history: HashMap::new(),
        verdict: Verdict::default(),
    };
    let mut witnesses = Vec::new();
    for transcript in transcripts {
        witnesses.push(court.hear(transcript)?);
    }
    court.compare(&witnesses);
    court.verdict.kills_with_unacked = court.unacked.iter().filter(|was| **was).count() as u64;
    Ok(court.verdict)
}

/// Which message: its sender and the sender's number in that conversation.
type Message = (Arc<str>, u64);

struct Court<'a> {
    audience: &'a Audience,
    kills: &'a [u64],
    unacked: Vec<bool>,
    /// What every client must agree on: the message at each place of each conversation.
    history: HashMap<(Arc<str>, u64), Message>,
    verdict: Verdict,
}

/// What one client saw.
struct Witness {
    name: Arc<str>,
    /// Names of conversations and senders, once each.
    names: HashSet<Arc<str>>,
    /// Place of each message that it saw.
    seen: HashMap<(Arc<str>, Message), u64>,
    /// How far each conversation was shown.
    reached: HashMap<Arc<str>, u64>,
    /// The highest number of each sender.
    numbers: HashMap<(Arc<str>, Arc<str>), u64>,
    epochs: HashMap<Arc<str>, String>,
    queued: HashMap<(Arc<str>, u64), u64>,
    acked: HashMap<(Arc<str>, u64), u64>,
    /// Conversations that it read back from the log, and what was in it.
    read_back: HashMap<Arc<str>, HashMap<Message, u64>>,
}

impl Witness {
    fn name(&mut self, text: &str) -> Arc<str> {
        if let Some(name) = self.names.get(text) {
            return Arc::clone(name);
        }
        let name: Arc<str> = text.into();
        self.names.insert(Arc::clone(&name));
        name
    }

    /// What the judge calls the conversation of a line.
    fn place(&mut self, line: &Value) -> Option<Arc<str>> {
        if let Some(room) = line["room"].as_str() {
            return Some(self.name(room));
        }
        let direct = direct(&self.name.clone(), line["to"].as_str()?);
        Some(self.name(&direct))
    }
}

/// What one run of it showed so far.
#[derive(Default)]
struct Shown {
    last: HashMap<Arc<str>, u64>,
    acked: HashSet<(Arc<str>, u64)>,
}

impl Court<'_> {
    fn hear(&mut self, transcript: &Transcript) -> io::Result<Witness> {
        let mut witness = Witness {
            name: transcript.name.as_str().into(),
            names: HashSet::new(),
            seen: HashMap::new(),
            reached: HashMap::new(),
            numbers: HashMap::new(),
            epochs: HashMap::new(),
            queued: HashMap::new(),
            acked: HashMap::new(),
            read_back: HashMap::new(),
        };
        // The first kill whose effect on this client was not looked at yet.
        let mut next_kill = 0;
        let mut may_repeat = false;
        for run in &transcript.runs {
            let mut shown = Shown::default();
            for line in BufReader::new(File::open(&run.lines)?).split(b'\n') {
                let line = line?;
                // A killed client may leave half a line.
                let Some((time, line)) = parse(&line) else {
                    continue;
                };
                match line["type"].as_str().unwrap_or_default() {
                    "queued" => {
                        if let Some(send) = send(&mut witness, &line) {
                            witness.queued.insert(send, time);
                        }
                    }
                    "ack" => self.ack(&mut witness, &mut shown, &line),
                    "error" => self.error(&mut witness, &line),
                    "reconnecting" => self.link_lost(&witness, &mut next_kill, time),
                    "gap" => self.gap(&mut witness, &line),
                    "history" => self.read_back(&mut witness, &line),
                    _ if line["prev"].is_u64() => {
                        self.entry(&mut witness, &mut shown, &line, may_repeat);
                    }
                    _ => {}
                }
            }
            may_repeat |= run.crashed;
        }
        Ok(witness)
    }

    fn ack(&mut self, witness: &mut Witness, shown: &mut Shown, line: &Value) {
        let (Some(send), Some(seq)) = (send(witness, line), line["seq"].as_u64()) else {
            return;
        };
        let again = !shown.acked.insert(send.clone());
        let before = witness.acked.insert(send, seq);
        if again || before.is_some_and(|before| before != seq) {
            self.verdict.duplicated += 1;
            self.verdict
                .story(|| format!("{}: acknowledged twice: {line}", witness.name));
        }
        if before.is_none() {
            self.verdict.acked += 1;
        }
    }

    fn error(&mut self, witness: &mut Witness, line: &Value) {
        if let Some(send) = send(witness, line) {
            // A client that ends for want of a first connection takes nothing more, and says so.
            if line["code"] == "closed" && !witness.queued.contains_key(&send) {
                return;
            }
            // It has its answer, which the sender was told: it is not lost.
            witness.queued.remove(&send);
            self.verdict.refused += 1;
            self.verdict
                .story(|| format!("{}: refused: {line}", witness.name));
        }
    }

    /// What is not acknowledged when a link is lost was not acknowledged when the server was killed.
    fn link_lost(&mut self, witness: &Witness, next_kill: &mut usize, time: u64) {
        let first = *next_kill;
        while self.kills.get(*next_kill).is_some_and(|kill| *kill < time) {
            *next_kill += 1;
        }
        if first == *next_kill {
            return;
        }
        let open = |send: &(Arc<str>, u64)| !witness.acked.contains_key(send);
        let queued = witness.queued.iter().filter(|(send, _)| open(send));
        let oldest = queued.map(|(_, time)| *time).min().unwrap_or(u64::MAX);
        for at in first..*next_kill {
            self.unacked[at] |= oldest < self.kills[at];
        }
    }

    fn entry(&mut self, witness: &mut Witness, shown: &mut Shown, line: &Value, may_repeat: bool) {
        let (Some(place), Some(seq), Some(prev)) = (
            witness.place(line),
            line["seq"].as_u64(),
            line["prev"].as_u64(),
        ) else {
            return;
        };
        let epoch = line["epoch"].as_str().unwrap_or_default();
        let before = witness.epochs.insert(place.clone(), epoch.to_owned());
        if before.is_some_and(|before| before != epoch) {
            self.verdict.gaps += 1;
            self.verdict
                .story(|| format!("{}: another epoch: {line}", witness.name));
        }
        let reached = witness.reached.get(&place).copied();
        match (shown.last.insert(place.clone(), seq), reached) {
            (Some(last), _) if seq <= last => {
                self.verdict.duplicated += 1;
                self.verdict
                    .story(|| format!("{}: after {last} in one run: {line}", witness.name));
            }
            (Some(last), _) if prev > last => {
                self.verdict.reordered += 1;
                self.verdict
                    .story(|| format!("{}: a hole after {last}: {line}", witness.name));
            }
            (None, Some(reached)) if prev > reached => {
                self.verdict.reordered += 1;
                let story = || format!("{}: a hole after {reached}: {line}", witness.name);
                self.verdict.story(story);
            }
            (_, Some(reached)) if seq <= reached && may_repeat => self.verdict.repeated += 1,
            (_, Some(reached)) if seq <= reached => {
                self.verdict.duplicated += 1;
                self.verdict
                    .story(|| format!("{}: again without a crash: {line}", witness.name));
            }
            _ => {}
        }
        witness
            .reached
            .insert(place.clone(), seq.max(reached.unwrap_or(0)));
        if line["type"] == "message" {
            self.message(witness, &place, seq, line, reached.unwrap_or(0));
        }
    }

    fn message(
        &mut self,
        witness: &mut Witness,
        place: &Arc<str>,
        seq: u64,
        line: &Value,
        reached: u64,
    ) {
        let Some(message) = message(witness, place, line) else {
            return;
        };
        let name = Arc::clone(&witness.name);
        if !self.may_see(place, &name) {
            self.verdict.leaked += 1;
            self.verdict
                .story(|| format!("{name} may not see this: {line}"));
        }
        let key = (Arc::clone(place), message.clone());
        match witness.seen.insert(key, seq) {
            None => self.verdict.shown += 1,
            Some(before) if before != seq => {
                self.verdict.duplicated += 1;
                self.verdict
                    .story(|| format!("{name} saw it as {before}, too: {line}"));
            }
            Some(_) => {}
        }
        if seq > reached {
            let sender = (Arc::clone(place), Arc::clone(&message.0));
            let last = witness.numbers.insert(sender, message.1);
            if last.is_some_and(|last| last >= message.1) {
                self.verdict.reordered += 1;
                self.verdict
                    .story(|| format!("{name} saw {last:?} of that sender before: {line}"));
            }
        }
        let there = self
            .history
            .entry((Arc::clone(place), seq))
            .or_insert_with(|| message.clone());
        if *there != message {
            let there = there.clone();
            self.verdict.reordered += 1;
            self.verdict
                .story(|| format!("{name} saw this where others saw {there:?}: {line}"));
        }
    }

    /// A new device starts at the account's cursor, which is where it joined; that is the only hole.
    fn gap(&mut self, witness: &mut Witness, line: &Value) {
        let place = witness.place(line);
        let is_new = place.is_some_and(|place| !witness.reached.contains_key(&place));
        if is_new && line["reason"] == "skipped" && line["from"] == 1 {
            return;
        }
        self.verdict.gaps += 1;
        self.verdict.story(|| format!("{}: {line}", witness.name));
    }

    fn read_back(&mut self, witness: &mut Witness, line: &Value) {
        let Some(place) = witness.place(line) else {
            return;
        };
        let mut found = Vec::new();
        for item in line["items"].as_array().into_iter().flatten() {
            if item["type"] == "message"
                && let Some(message) = message(witness, &place, item)
            {
                found.push((message, item["seq"].as_u64().unwrap_or(0)));
            }
        }
        let there = witness.read_back.entry(Arc::clone(&place)).or_default();
        for (message, seq) in found {
            let before = there.insert(message.clone(), seq);
            if before.is_some_and(|before| before != seq) {
                self.verdict.duplicated += 1;
                self.verdict
                    .story(|| format!("the log of {place} has {message:?} twice"));
            }
        }
    }

    /// What only all of them together can tell.
    fn compare(&mut self, witnesses: &[Witness]) {
        for sender in witnesses {
            let queued = sender.queued.keys().filter(|send| {
                !sender.acked.contains_key(*send)
                    && !sender
                        .seen
                        .contains_key(&(send.0.clone(), (sender.name.clone(), send.1)))
            });
            for (place, number) in queued {
                self.verdict.lost += 1;
                self.verdict.story(|| {
                    format!(
                        "{} queued {number} for {place} and heard no more of it",
                        sender.name
                    )
                });
            }
            for ((place, number), seq) in &sender.acked {
                let key = (place.clone(), (sender.name.clone(), *number));
                for reader in witnesses {
                    if self.may_see(place, &reader.name) {
                        self.expect(reader.seen.get(&key), *seq, reader, &key, "was not shown");
                    }
                    if let Some(log) = reader.read_back.get(place) {
                        self.expect(log.get(&key.1), *seq, reader, &key, "is not in the log for");
                    }
                }
            }
        }
    }

    fn expect(
        &mut self,
        found: Option<&u64>,
        seq: u64,
        reader: &Witness,
        (place, (sender, number)): &(Arc<str>, Message),
        what: &str,
    ) {
        if found == Some(&seq) {
            return;
        }
        let name = &reader.name;
        match found {
            None => self.verdict.lost += 1,
            Some(_) => self.verdict.reordered += 1,
        }
        self.verdict.story(|| {
            format!("{number} of {sender} in {place}, acknowledged as {seq}, {what} {name} (but as {found:?})")
        });
    }

    fn may_see(&self, place: &str, name: &str) -> bool {
        let members = self.audience.get(place);
        members.is_some_and(|members| members.iter().any(|member| member == name))
    }
}

/// What a direct conversation of two is called.
#[must_use]
pub(super) fn direct(one: &str, other: &str) -> String {
    let (first, last) = if one < other {
        (one, other)
    } else {
        (other, one)
    };
    format!("{first}+{last}")
}

fn parse(line: &[u8]) -> Option<(u64, Value)> {
    let tab = line.iter().position(|byte| *byte == b'\t')?;
    let time = std::str::from_utf8(&line[..tab]).ok()?.parse().ok()?;
    Some((time, serde_json::from_slice(&line[tab + 1..]).ok()?))
}

/// The send that a line with a `ref` is about: "lobby 17".
fn send(witness: &mut Witness, line: &Value) -> Option<(Arc<str>, u64)> {
    let (place, number) = line["ref"].as_str()?.split_once(' ')?;
    Some((witness.name(place), number.parse().ok()?))
}

/// The message that an entry holds: its text is "lobby 17 and then some".
fn message(witness: &mut Witness, place: &Arc<str>, line: &Value) -> Option<Message> {
    let mut words = line["text"].as_str()?.split(' ');
    if words.next()? != &**place {
        return None;
    }
    let number = words.next()?.parse().ok()?;
    let from = witness.name(line["from"].as_str()?);
    Some((from, number))
}

/// Violations that are told in words; one fault can cause thousands.
const STORIES: usize = 20;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use serde_json::json;
    use tempfile::TempDir;

    use super::*;

    /// What ann and bob print when all goes well; each test spoils one thing.
    struct Scene {
        folder: TempDir,
        ann: Vec<Vec<Value>>,
        bob: Vec<Vec<Value>>,
    }

    fn entry(seq: u64, number: u64) -> Value {
        json!({"type": "message", "room": "lobby", "conv": "c", "epoch": "e", "seq": seq, "prev": seq - 1,
            "from": "ann", "text": format!("lobby {number} text")})
    }

    fn queued(number: u64) -> Value {
        json!({"type": "queued", "ref": format!("lobby {number}")})
    }

    fn ack(number: u64, seq: u64) -> Value {
        json!({"type": "ack", "ref": format!("lobby {number}"), "room": "lobby", "seq": seq})
    }

    impl Scene {
        fn new() -> Self {
            let mut ann = Vec::new();
            for number in 0..4 {
                ann.push(queued(number));
                ann.push(ack(number, number + 1));
                ann.push(entry(number + 1, number));
            }
            Self {
                folder: TempDir::new().unwrap(),
                ann: vec![ann],
                bob: vec![(0..4).map(|number| entry(number + 1, number)).collect()],
            }
        }

        /// Every run but the last one crashes.
        fn judged(&self, kills: &[u64]) -> Verdict {
            let audience = Audience::from([("lobby".into(), vec!["ann".into(), "bob".into()])]);
            let transcript = |name: &str, runs: &[Vec<Value>]| Transcript {
                name: name.to_owned(),
                runs: runs
                    .iter()
                    .enumerate()
                    .map(|(number, lines)| {
                        let path = self.folder.path().join(format!("{name}.{number}"));
                        let mut file = File::create(&path).unwrap();
                        for (time, line) in lines.iter().enumerate() {
                            writeln!(file, "{}\t{line}", time * 10).unwrap();
                        }
                        Run {
                            lines: path,
                            crashed: number + 1 < runs.len(),
                        }
                    })
                    .collect(),
            };
            let transcripts = [transcript("ann", &self.ann), transcript("bob", &self.bob)];
            judge(&transcripts, &audience, kills).unwrap()
        }
    }

    #[test]
    fn what_went_well_is_good() {
        let verdict = Scene::new().judged(&[]);
        assert!(verdict.is_good(), "{verdict:?}");
        assert_eq!((verdict.acked, verdict.shown), (4, 8));
    }

    #[test]
    fn a_missing_message_is_lost_and_leaves_a_hole() {
        let mut scene = Scene::new();
        scene.bob[0].remove(1);
        let verdict = scene.judged(&[]);
        assert_eq!((verdict.lost, verdict.reordered), (1, 1), "{verdict:?}");
        // Nor is the last one missed only because nothing follows.
        let mut scene = Scene::new();
        scene.bob[0].pop();
        assert_eq!(scene.judged(&[]).lost, 1);
    }

    #[test]
    fn a_message_may_come_again_after_a_crash_and_never_within_a_run() {
        let mut scene = Scene::new();
        scene.bob[0].push(entry(4, 3));
        assert_eq!(scene.judged(&[]).duplicated, 1);
        let mut scene = Scene::new();
        scene.bob.push(vec![entry(3, 2), entry(4, 3)]);
        let verdict = scene.judged(&[]);
        assert!(verdict.is_good(), "{verdict:?}");
        assert_eq!(verdict.repeated, 2);
        scene.bob[1].remove(0);
        scene.bob[1].push(entry(6, 4));
        assert_eq!(scene.judged(&[]).reordered, 1, "a hole");
    }

    #[test]
    fn the_same_message_at_two_places_is_a_duplicate() {
        let mut scene = Scene::new();
        scene.bob[0].push(entry(5, 3));
        let verdict = scene.judged(&[]);
        assert_eq!((verdict.lost, verdict.duplicated), (0, 1), "{verdict:?}");
    }

    #[test]
    fn two_histories_are_noticed() {
        let mut scene = Scene::new();
        scene.bob[0][2] = entry(3, 3);
        scene.bob[0][3] = entry(4, 2);
        assert!(scene.judged(&[]).reordered >= 3);
    }

    #[test]
    fn gaps_new_epochs_refusals_and_strangers_count() {
        let mut scene = Scene::new();
        let gap = json!({"type": "gap", "room": "lobby", "from": 1, "reason": "skipped"});
        scene.bob[0].insert(0, gap.clone());
        scene.bob[0].push(gap);
        let mut last = entry(5, 4);
        last["epoch"] = json!("f");
        scene.bob[0].push(last);
        scene.ann[0].push(json!({"type": "error", "ref": "lobby 9", "code": "disk_full"}));
        scene.ann[0].push(json!({"type": "error", "ref": "lobby 10", "code": "closed"}));
        let mut secret = entry(1, 0);
        secret["room"] = json!("attic");
        secret["text"] = json!("attic 0 x");
        scene.bob[0].push(secret);
        let verdict = scene.judged(&[]);
        assert_eq!((verdict.gaps, verdict.refused, verdict.leaked), (2, 1, 1));
    }

    #[test]
    fn a_queued_send_that_nobody_heard_of_again_is_lost() {
        let mut scene = Scene::new();
        scene.ann[0].push(queued(4));
        assert_eq!(scene.judged(&[]).lost, 1);
        // Its ack may be missed in a crash, if it is there.
        scene.ann[0].push(entry(5, 4));
        assert_eq!(scene.judged(&[]).lost, 0);
    }

    #[test]
    fn the_log_that_is_read_back_must_hold_everything() {
        let mut scene = Scene::new();
        let items: Vec<Value> = (0..3).map(|number| entry(number + 1, number)).collect();
        scene.bob[0].push(json!({"type": "history", "room": "lobby", "items": items}));
        assert_eq!(scene.judged(&[]).lost, 1);
    }

    #[test]
    fn a_kill_counts_when_an_answer_was_open() {
        let mut scene = Scene::new();
        let lost = json!({"type": "reconnecting"});
        // After "queued" 1 and before its ack; then between an ack and the next send.
        scene.ann[0].insert(4, lost.clone());
        assert_eq!(scene.judged(&[35]).kills_with_unacked, 1);
        let mut scene = Scene::new();
        scene.ann[0].insert(3, lost);
        assert_eq!(scene.judged(&[25]).kills_with_unacked, 0);
    }
}
