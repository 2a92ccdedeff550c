//! A server, its clients, and what happens to them.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::Fault;
use super::disk::{self, Disk};
use super::judge::{Audience, Verdict, direct, judge};
use super::player::{Board, Player, Seat};
use super::talk::{Spot, Talk, Voice};
use crate::process::{Process, chat_cli};
use crate::proxy::Direction;

/// All of it. The fields drop in this order: nobody talks to who is gone.
#[derive(Debug)]
pub(super) struct Town {
    talk: Talk,
    players: Vec<Player>,
    server: Process,
    address: SocketAddr,
    /// More arguments of the server.
    args: Vec<String>,
    /// Who is not started again for now.
    away: Option<usize>,
    board: Arc<Board>,
    disk: Disk,
    audience: Audience,
    kills: Vec<u64>,
    troubles: Vec<String>,
    home: TempDir,
}

/// What a crash leaves.
#[derive(Clone, Copy, Debug)]
pub(super) enum Power {
    /// The page cache: the machine goes on.
    Stays,
    /// What was synced, and when it is torn some of what was not.
    Cut { torn: bool },
}

impl Town {
    /// Everybody knows everybody: each conversation has begun, and each client left once and came
    /// back, so that it has a position to go on from after a crash.
    pub(super) fn new(players: usize, rng: &mut Rng) -> io::Result<Self> {
        let mut town = Self::silent(players, rng)?;
        town.allow(WARM_UP);
        let warm = town.acked_at_least(WARM_UP, STOP) && town.arrives(STOP);
        for player in &mut town.players {
            if !warm || player.leave(STOP) != Some(0) {
                return Err(io::Error::other(
                    "the clients can't talk before anything is broken",
                ));
            }
            player.start()?;
        }
        Ok(town)
    }

    /// Everybody is registered, has joined, and says nothing yet.
    fn silent(players: usize, rng: &mut Rng) -> io::Result<Self> {
        let home = TempDir::with_prefix("chat-faults-")?;
        let library = disk::compile(home.path())?;
        let disk = Disk::new(home.path(), &library)?;
        let any = "127.0.0.1:0".parse().map_err(io::Error::other)?;
        let server = launch(&disk, home.path(), any, &[]);
        let (address, fingerprint) = listening(&server);

        let names: Vec<String> = NAMES
            .iter()
            .take(players.max(4))
            .map(|name| (*name).to_owned())
            .collect();
        let board = Board::new(&names);
        let mut people = Vec::new();
        for (seat, name) in names.iter().enumerate() {
            let mut player = Player::new(name, seat, home.path(), address, &board)?;
            player.fingerprint.clone_from(&fingerprint);
            player.library.clone_from(&library);
            people.push(player);
        }
        let audience = audience(&names);
        let voices = people.iter().map(|player| Voice {
            mouth: player.mouth(),
            places: spots(&player.name, &audience),
        });
        let talk = Talk::start(voices.collect(), &board, rng.u64(..));
        let mut town = Self {
            talk,
            players: people,
            server,
            address,
            args: Vec::new(),
            away: None,
            board,
            disk,
            audience,
            kills: Vec::new(),
            troubles: Vec::new(),
            home,
        };
        town.move_in()?;
        Ok(town)
    }

    fn move_in(&mut self) -> io::Result<()> {
        let last = self.players.len() - 1;
        for seat in 0..=last {
            self.players[seat].rooms = match seat {
                // The attic is made by the first and closed to the last.
                seat if seat == 0 || seat == last => vec![LOBBY.to_owned()],
                _ => vec![LOBBY.to_owned(), ATTIC.to_owned()],
            };
            self.players[seat].start()?;
            // What is asked is read when all rooms are joined.
            let ask = match seat {
                0 => json!({"type": "create", "room": ATTIC, "ref": "made"}),
                _ => json!({"type": "rooms", "ref": "made"}),
            };
            self.ask(seat, &ask)
                .ok_or_else(|| io::Error::other("a client does not get in"))?;
        }
        Ok(())
    }

    /// So many messages in all may be said from now on.
    pub(super) fn allow(&self, messages: u64) {
        self.talk.allow(messages);
    }

    /// Waits for so many acknowledged messages. `false` when nothing moves for so long.
    pub(super) fn acked_at_least(&mut self, wanted: u64, stall: Duration) -> bool {
        let mut acked = 0;
        let mut since = Instant::now();
        loop {
            let came = self
                .board
                .wait(TEND, |seats| total(seats.iter().map(|s| s.acked)) >= wanted);
            if came {
                return true;
            }
            self.tend();
            let now = total(self.board.seats().iter().map(|seat| seat.acked));
            if now > acked {
                (acked, since) = (now, Instant::now());
            }
            if since.elapsed() > stall {
                return false;
            }
        }
    }

    /// Starts clients again that could not connect: the first login is tried once.
    fn tend(&mut self) {
        for (seat, player) in self.players.iter_mut().enumerate() {
            if self.away == Some(seat) {
                continue;
            }
            if let Some(code) = player.ended() {
                if code != CANNOT_CONNECT {
                    let name = &player.name;
                    self.troubles
                        .push(format!("{name} ended by itself with exit code {code}"));
                }
                if let Err(error) = player.start() {
                    self.troubles
                        .push(format!("a client does not start: {error}"));
                }
            }
        }
    }

    /// Does it. `false` when the moment for it did not come.
    pub(super) fn inject(&mut self, fault: Fault, rng: &mut Rng) -> io::Result<bool> {
        let done = self.do_inject(fault, rng);
        self.talk.leash();
        done
    }

    fn do_inject(&mut self, fault: Fault, rng: &mut Rng) -> io::Result<bool> {
        let seat = rng.usize(0..self.players.len());
        match fault {
            Fault::KillServer => {
                if !self.catch_off_guard() {
                    self.server.signal(Signal::CONT);
                    return Ok(false);
                }
                self.kill_server(Power::Stays, rng)?;
                self.restart_server();
            }
            Fault::CutPower => return self.cut_power(seat, rng),
            Fault::CutLink => {
                if !self.is_linked(seat) {
                    return Ok(false);
                }
                self.players[seat].proxy.cut();
            }
            Fault::CutRecord => return Ok(self.cut_record(seat, rng)),
            Fault::KillClient => {
                self.players[seat].kill();
                self.players[seat].start()?;
            }
            Fault::StopServer => {
                self.server.signal(Signal::STOP);
                self.rest(rng.u64(50..1_500));
                self.server.signal(Signal::CONT);
            }
            Fault::StopClient => {
                self.players[seat].signal(Signal::STOP);
                self.rest(rng.u64(50..3_000));
                self.players[seat].signal(Signal::CONT);
            }
            Fault::FillDisk => return self.fill_disk(rng),
            Fault::MoveClock => {
                // Less than an hour between any two clocks: send ids must not lie further ahead.
                let wrong = rng.i64(-CLOCK_MS..=CLOCK_MS);
                match rng.bool() {
                    true => self.disk.control().set_clock(wrong)?,
                    false => self.players[seat].control.set_clock(wrong)?,
                }
            }
        }
        Ok(true)
    }

    /// Who was away has to find in the log what was said meanwhile.
    fn cut_power(&mut self, seat: usize, rng: &mut Rng) -> io::Result<bool> {
        if rng.bool() {
            self.send_away(seat);
            let acked = total(self.board.seats().iter().map(|seat| seat.acked));
            // As far as what may be said lasts.
            self.board.wait(Duration::from_secs(5), |seats| {
                total(seats.iter().map(|seat| seat.acked)) > acked + 30
            });
        }
        let moment = self.catch_off_guard();
        self.kill_server(Power::Cut { torn: rng.bool() }, rng)?;
        self.restart_server();
        Ok(moment)
    }

    fn cut_record(&mut self, seat: usize, rng: &mut Rng) -> bool {
        if !self.is_linked(seat) {
            return false;
        }
        let direction = match rng.bool() {
            true => Direction::Up,
            false => Direction::Down,
        };
        self.talk.unleash();
        let proxy = &self.players[seat].proxy;
        proxy.cut_after(direction, rng.usize(1..2_000));
        self.board.wait(STOP, |_| !proxy.will_cut())
    }

    fn fill_disk(&mut self, rng: &mut Rng) -> io::Result<bool> {
        self.talk.unleash();
        let before = self.disk.control().refused()?;
        self.disk.control().set_full(true)?;
        let control = self.disk.control();
        let bitten = self.board.wait(STOP, |_| {
            control.refused().is_ok_and(|refused| refused > before)
        });
        self.rest(rng.u64(0..1_000));
        self.disk.control().set_full(false)?;
        Ok(bitten)
    }

    /// Waits for a moment in which a send that is in an outbox has no answer, and the server could
    /// give it.
    fn somebody_waits(&mut self) -> bool {
        self.talk.unleash();
        let until = Instant::now() + STOP;
        while Instant::now() < until {
            let so = self.board.wait(TEND, |seats| {
                seats
                    .iter()
                    .any(|seat| seat.connected && seat.unacked() >= WAITING)
            });
            if so {
                return true;
            }
            self.tend();
        }
        false
    }

    /// Stops the server wherever it is, so that the answers that are on their way can arrive and it is
    /// certain that some send has none.
    fn catch_off_guard(&mut self) -> bool {
        let busy = self.somebody_waits();
        self.server.signal(Signal::STOP);
        self.rest(20);
        busy && self.somebody_waits()
    }

    fn is_linked(&mut self, seat: usize) -> bool {
        let until = Instant::now() + STOP;
        while Instant::now() < until {
            if self.board.wait(TEND, |seats| seats[seat].connected) {
                return true;
            }
            self.tend();
        }
        false
    }

    /// Lets so many milliseconds pass, which is the fault itself.
    fn rest(&self, milliseconds: u64) {
        self.board
            .wait(Duration::from_millis(milliseconds), |_| false);
    }

    pub(super) fn send_away(&mut self, seat: usize) {
        self.players[seat].kill();
        self.away = Some(seat);
    }

    pub(super) fn kill_server(&mut self, power: Power, rng: &mut Rng) -> io::Result<()> {
        self.kills.push(self.board.now());
        self.server.kill();
        match power {
            Power::Stays => Ok(()),
            Power::Cut { torn } => self.disk.lose_power(torn, rng),
        }
    }

    /// At the same address; who was away comes back.
    pub(super) fn restart_server(&mut self) {
        self.args.clear();
        self.server = launch(&self.disk, self.home.path(), self.address, &self.args);
        listening(&self.server);
        self.away = None;
        self.tend_killed();
    }

    fn tend_killed(&mut self) {
        for player in &mut self.players {
            if !player.is_running()
                && let Err(error) = player.start()
            {
                self.troubles
                    .push(format!("a client does not start: {error}"));
            }
        }
    }

    /// The server goes in peace and comes back careless.
    pub(super) fn restart_without_sync(&mut self) -> io::Result<()> {
        self.server.signal(Signal::TERM);
        let code = self.server.ends();
        if code != 0 {
            return Err(io::Error::other(format!(
                "the server ended with exit code {code}"
            )));
        }
        self.args = vec!["--danger-synchronous-off".to_owned()];
        self.server = launch(&self.disk, self.home.path(), self.address, &self.args);
        listening(&self.server);
        Ok(())
    }

    /// All faults end.
    pub(super) fn calm(&mut self) -> io::Result<()> {
        self.disk.control().set_full(false)?;
        self.disk.control().set_clock(0)?;
        self.server.signal(Signal::CONT);
        for player in &self.players {
            player.control.set_clock(0)?;
            player.signal(Signal::CONT);
        }
        Ok(())
    }

    /// Waits until every send has its answer and everybody was shown everything.
    fn arrives(&mut self, stall: Duration) -> bool {
        let until = Instant::now() + stall;
        let audience = self.audience.clone();
        while Instant::now() < until {
            let settled = self.board.wait(TEND, |seats| {
                let silent = seats.iter().all(|seat| seat.open.is_empty());
                let behind = audience.iter().any(|(place, members)| {
                    let heads = seats.iter().filter_map(|seat| seat.heads.get(place));
                    let head = heads.max().copied().unwrap_or(0);
                    seats.iter().any(|seat| {
                        members.contains(&seat.name)
                            && seat.reached.get(place).copied().unwrap_or(0) < head
                    })
                });
                silent && !behind
            });
            if settled {
                return true;
            }
            self.tend();
        }
        false
    }

    /// Ends the talk, waits until all of it arrived, reads the log back,
    /// and lets all leave. Answers what did not work.
    pub(super) fn settle(&mut self, stall: Duration) -> io::Result<Vec<String>> {
        self.talk.end();
        if !self.arrives(stall) {
            self.troubles
                .push("not everything arrived in the end".to_owned());
        }
        let audience = self.audience.clone();
        for place in audience.keys() {
            // A direct conversation exists from its first entry.
            let begun = |seat: &Seat| seat.heads.contains_key(place);
            if !self.board.seats().iter().any(begun) {
                continue;
            }
            if let Err(why) = self.read_back(place, &audience[place]) {
                self.troubles
                    .push(format!("{place} can't be read back: {why}"));
            }
        }
        for player in &mut self.players {
            let code = player.leave(STOP);
            if code != Some(0) {
                self.troubles
                    .push(format!("{} left with {code:?}", player.name));
            }
        }
        Ok(std::mem::take(&mut self.troubles))
    }

    /// One member asks for the whole log of a conversation; the judge compares it.
    fn read_back(&mut self, place: &str, members: &[String]) -> Result<(), String> {
        let reader = members.first().ok_or("nobody is there")?;
        let seat = self
            .players
            .iter()
            .position(|player| player.name == *reader)
            .ok_or("nobody is there")?;
        let spot = spot(reader, place, members);
        let mut ask = json!({"type": "history", "after": 0, "ref": "back"});
        ask[spot.field] = Value::from(spot.name);
        loop {
            let answer = self.ask(seat, &ask).ok_or("no answer")?;
            if answer["type"] != "history" {
                return Err(answer.to_string());
            }
            let Some(next) = answer["next"].as_str() else {
                return Ok(());
            };
            if let Some(fields) = ask.as_object_mut() {
                fields.remove("after");
            }
            ask["next"] = Value::from(next);
        }
    }

    /// Asks something and waits for the answer.
    fn ask(&mut self, seat: usize, line: &Value) -> Option<Value> {
        self.board.seats()[seat].answer = None;
        self.players[seat].mouth().say(&line.to_string());
        let label = &line["ref"];
        self.board.wait(STOP, |seats| {
            let answer = seats[seat].answer.as_ref();
            seats[seat].ended || answer.is_some_and(|answer| answer["ref"] == *label)
        });
        let answer = self.board.seats()[seat].answer.take()?;
        (answer["ref"] == *label).then_some(answer)
    }

    /// Judges by what was printed, everybody having left.
    pub(super) fn judge(&self) -> io::Result<Verdict> {
        let transcripts: Vec<_> = self.players.iter().map(Player::transcript).collect();
        judge(&transcripts, &self.audience, &self.kills)
    }

    /// Leaves everything on the disk, and answers where.
    pub(super) fn keep(self) -> PathBuf {
        let Self { home, .. } = self;
        home.keep()
    }
}

fn total(numbers: impl Iterator<Item = u64>) -> u64 {
    numbers.sum()
}

/// All are in the lobby, all but the last one in the attic, and neighbours talk in private.
fn audience(names: &[String]) -> Audience {
    let mut audience = Audience::new();
    audience.insert(LOBBY.to_owned(), names.to_vec());
    audience.insert(ATTIC.to_owned(), names[..names.len() - 1].to_vec());
    for pair in names.windows(2) {
        audience.insert(direct(&pair[0], &pair[1]), pair.to_vec());
    }
    audience
}

fn spots(name: &String, audience: &Audience) -> Vec<Spot> {
    let theirs = audience
        .iter()
        .filter(|(_, members)| members.contains(name));
    theirs
        .map(|(place, members)| spot(name, place, members))
        .collect()
}

fn spot(name: &str, place: &str, members: &[String]) -> Spot {
    let other = members.iter().find(|member| *member != name);
    let (field, target) = match (place, other) {
        (LOBBY | ATTIC, _) | (_, None) => ("room", place),
        (_, Some(other)) => ("to", other.as_str()),
    };
    Spot {
        place: place.to_owned(),
        field,
        name: target.to_owned(),
        number: 0,
    }
}

fn launch(disk: &Disk, home: &Path, listen: SocketAddr, args: &[String]) -> Process {
    let mut command = chat_cli(home);
    command
        .args(["serve", "--json", "--listen", &listen.to_string(), "--data"])
        .arg(disk.data())
        .args(args);
    disk.preload(&mut command);
    Process::start(command)
}

fn listening(server: &Process) -> (SocketAddr, String) {
    let line = server.expect("line that it listens", |line| line["type"] == "listening");
    let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
    let address = text("addr").parse().expect("a numeric address");
    (address, text("fingerprint"))
}

/// Everybody is in here.
const LOBBY: &str = "lobby";
/// All but the last one are in here.
const ATTIC: &str = "attic";
/// Accounts, in the order of their coming.
const NAMES: [&str; 10] = [
    "ann", "bob", "cem", "dot", "eve", "fay", "gus", "hal", "ida", "jon",
];
/// A client's exit code when its first connection fails.
const CANNOT_CONNECT: i32 = 3;
/// How often clients are looked after while something is waited for.
const TEND: Duration = Duration::from_millis(500);
/// Longest wait for the moment of a fault, or for an answer.
const STOP: Duration = Duration::from_secs(30);
/// Sends without an answer at one client: so many, since some answers may be on their way to us.
const WAITING: usize = 12;
/// Messages before anything is broken: enough that each conversation gets some.
const WARM_UP: u64 = 200;
/// Clocks are wrong by at most so much.
const CLOCK_MS: i64 = 25 * 60 * 1000;

#[cfg(test)]
mod tests {
    use super::*;

    /// A crash between write and sync leaves an entry in the page cache. The next server finds it, and
    /// its sender, who asks again, is told that it is there: by then it has to be on the disk.
    #[test]
    fn what_a_crash_left_unsynced_is_synced_before_it_is_acknowledged() {
        let mut rng = Rng::with_seed(1);
        // Another write may be the one that hangs, a cursor's for example; then the next town has
        // better luck.
        let hangs = (0..10).find_map(|_| {
            let mut town = Town::silent(4, &mut rng).unwrap();
            let control = town.disk.control();
            let before = control.waited().unwrap();
            control.set_stuck(true).unwrap();
            town.allow(1);
            let waits = |_: &[Seat]| control.waited().unwrap() > before;
            assert!(town.board.wait(STOP, waits), "a commit waits for its sync");
            town.kill_server(Power::Stays, &mut rng).unwrap();
            let shadow = town.home.path().join("shadow");
            let unsynced = holds_text(town.disk.data()) && !holds_text(&shadow);
            unsynced.then_some(town)
        });
        let mut town = hangs.expect("the commit of the entry hung");
        town.disk.control().set_stuck(false).unwrap();
        town.send_away(2);
        town.server = launch(&town.disk, town.home.path(), town.address, &[]);
        listening(&town.server);
        let shadow = town.home.path().join("shadow");
        assert!(
            holds_text(&shadow),
            "it starts to answer before it has synced"
        );
        assert!(town.acked_at_least(1, STOP));
        town.kill_server(Power::Cut { torn: false }, &mut rng)
            .unwrap();
        town.restart_server();
        assert_eq!(town.settle(STOP).unwrap(), Vec::<String>::new());
        let verdict = town.judge().unwrap();
        assert!(verdict.is_good(), "{verdict:?}");
    }

    /// Whether a file there holds somebody's first message.
    fn holds_text(folder: &Path) -> bool {
        std::fs::read_dir(folder).unwrap().any(|item| {
            let bytes = std::fs::read(item.unwrap().path()).unwrap_or_default();
            ["lobby 0 ", "attic 0 ", "+bob 0 ", "+cem 0 ", "+dot 0 "]
                .iter()
                .any(|text| {
                    bytes
                        .windows(text.len())
                        .any(|part| part == text.as_bytes())
                })
        })
    }
}
