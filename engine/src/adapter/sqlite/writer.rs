//! The one thread that writes.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_channel::Sender;
use rusqlite::Connection;

use super::append::{Ledger, Verdict};
use super::inbox::{End, Inbox, Job, Taken, Work};
use super::indexer::Indexer;
use super::row::fault;
use super::trim::Trim;
use crate::adapter::outcomes::{Handout, Outcomes};
use crate::id::ConversationId;
use crate::limits;
use crate::port::{Committed, Fault, Write};

/// Commits what the inbox holds and, between transactions, indexes and trims.
#[derive(Debug)]
pub(super) struct Writer {
    connection: Connection,
    ledger: Ledger,
    indexer: Indexer,
    trims: Vec<Trim>,
    /// Searches that wait until the index knows this position.
    catching_up: Vec<(u64, Sender<()>)>,
    /// Nothing came since the last look.
    is_silent: bool,
    last_indexed: Instant,
    wal: PathBuf,
    commits: u32,
    inbox: Arc<Inbox>,
    outcomes: Arc<Outcomes>,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        wal: PathBuf,
        inbox: Arc<Inbox>,
        outcomes: Arc<Outcomes>,
    ) -> rusqlite::Result<Self> {
        let indexer = Indexer::new(&connection)?;
        let ledger = Ledger::new(&connection, indexer.indexed())?;
        Ok(Self {
            connection,
            ledger,
            indexer,
            trims: Vec::new(),
            catching_up: Vec::new(),
            is_silent: false,
            last_indexed: Instant::now(),
            wal,
            commits: 0,
            inbox,
            outcomes,
        })
    }

    /// Works until the inbox ends. The outcomes are closed then, also after a panic: whoever waits
    /// for them learns that nothing more will come.
    pub(super) fn run(mut self) {
        let _closing = Closing(self.outcomes.clone());
        loop {
            let Work { writes, jobs, end } = self.inbox.take(self.patience());
            if end == Some(End::Now) {
                break;
            }
            if writes.is_empty() && jobs.is_empty() && end == Some(End::Drained) {
                break;
            }
            self.is_silent = writes.is_empty() && jobs.is_empty();
            // Before the writes: a limit holds from the next one on.
            jobs.into_iter().for_each(|job| self.begin(job));
            self.commit(writes);
            self.tidy();
        }
        // A short log makes the next start quick. What fails here was safe before.
        let _ = self.truncate_wal();
    }

    /// How long to wait for work before there is something to do anyway.
    fn patience(&self) -> Option<Duration> {
        let lag = self.indexer.lag(self.ledger.last_position());
        if !self.trims.is_empty() || !self.catching_up.is_empty() || lag > 0 && self.is_silent {
            Some(Duration::ZERO)
        } else if lag > 0 {
            Some(limits::SEARCH_IDLE)
        } else {
            None
        }
    }

    fn begin(&mut self, job: Job) {
        match job {
            Job::Trim { age, count, done } => match Trim::new(&self.connection, age, count, done) {
                Ok(trim) => self.trims.push(trim),
                Err((done, fault)) => drop(done.try_send(Err(fault))),
            },
            Job::CatchUp(done) => {
                let last = self.ledger.last_position();
                if self.indexer.lag(last) <= limits::SEARCH_CATCH_UP {
                    self.catching_up.push((last, done));
                }
            }
            Job::LimitSize(bytes) => self.limit_size(bytes),
        }
    }

    /// One small step of each thing that can wait.
    fn tidy(&mut self) {
        if let Some(trim) = self.trims.first_mut() {
            let step = trim.step(&self.connection, &self.indexer, &mut self.ledger);
            let is_over = match step {
                Ok((cut, is_over)) => {
                    self.outcomes.push(cut.into());
                    is_over.then_some(Ok(()))
                }
                Err(error) => Some(Err(fault(&error))),
            };
            if let Some(result) = is_over {
                let trim = self.trims.remove(0);
                trim.finish(result);
            }
        }
        let last = self.ledger.last_position();
        let lag = self.indexer.lag(last);
        // In silence as fast as it can; between commits only a small share of the time.
        let is_due =
            lag >= limits::SEARCH_LAG && self.last_indexed.elapsed() >= limits::SEARCH_IDLE;
        let is_time = self.is_silent || is_due;
        if lag > 0 && (is_time || !self.catching_up.is_empty()) {
            self.last_indexed = Instant::now();
            // The index is behind and stays so for a while: the disk is full, or worse. The next
            // attempt comes with the next commit.
            if self.indexer.step(&self.connection, last).is_err() {
                self.indexer.pause();
            }
        }
        // Their senders close when they go, which is the answer.
        self.catching_up
            .retain(|(position, _)| self.indexer.lag(*position) > 0);
        if self.commits >= 64 {
            self.commits = 0;
            let is_large = self
                .wal
                .metadata()
                .is_ok_and(|file| file.len() > limits::WAL_BYTES);
            if is_large {
                let _ = self.truncate_wal();
            }
        }
    }

    fn commit(&mut self, writes: Vec<Taken>) {
        if writes.is_empty() {
            return;
        }
        self.commits += 1;
        let mut behind: Vec<ConversationId> = writes.iter().filter_map(held_back).collect();
        let mut handout = match self.transaction(&writes) {
            Ok(verdicts) => {
                let mut outcomes = publish(writes, verdicts);
                outcomes.extend(self.ledger.freed().take());
                Handout::from(outcomes)
            }
            Err(_) => self.one_by_one(writes),
        };
        handout.failed.append(&mut behind);
        if !handout.failed.is_empty() {
            self.inbox.failed(&handout.failed);
        }
        self.indexer.resume();
        self.outcomes.push(handout);
    }

    /// All of the writes in one transaction. After an error none of them happened.
    fn transaction(&mut self, writes: &[Taken]) -> rusqlite::Result<Vec<Verdict>> {
        let result = self.try_transaction(writes);
        if result.is_err() {
            roll_back(&self.connection);
            self.ledger.forget();
        }
        result
    }

    fn try_transaction(&mut self, writes: &[Taken]) -> rusqlite::Result<Vec<Verdict>> {
        self.connection
            .prepare_cached("BEGIN IMMEDIATE")?
            .execute(())?;
        let mut verdicts = Vec::with_capacity(writes.len());
        for Taken {
            write,
            after_failed,
            ..
        } in writes
        {
            verdicts.push(if *after_failed {
                Verdict::Failed(Fault::AfterFailed)
            } else {
                self.ledger
                    .write(&self.connection, write, self.indexer.indexed())?
            });
        }
        self.ledger.flush(&self.connection)?;
        self.connection.prepare_cached("COMMIT")?.execute(())?;
        self.ledger.committed();
        Ok(verdicts)
    }

    /// The transaction of all of them failed, so each gets its own: what still fits is not lost with
    /// what doesn't. When several fail in a row, the rest is not tried, since each attempt at a sick
    /// disk may take long.
    fn one_by_one(&mut self, writes: Vec<Taken>) -> Handout {
        const ATTEMPTS: u32 = 3;
        let mut handout = Handout::default();
        let mut failed: HashSet<ConversationId> = HashSet::new();
        let mut in_a_row = 0;
        let mut last_fault = None;
        for mut write in writes {
            let conversation = match &write.write {
                Write::Append(append) => Some(append.conversation),
                Write::Change(_) => None,
            };
            write.after_failed |= conversation.is_some_and(|id| failed.contains(&id));
            let ticket = write.ticket;
            let result = match &last_fault {
                Some(fault) if in_a_row >= ATTEMPTS && !write.after_failed => {
                    Err(Fault::clone(fault))
                }
                _ => self
                    .transaction(std::slice::from_ref(&write))
                    .map_err(|error| fault(&error)),
            };
            match result {
                Ok(verdicts) => {
                    // Refusals don't touch the disk, so they say nothing about it.
                    if verdicts.iter().all(Verdict::is_written) {
                        in_a_row = 0;
                    }
                    handout.outcomes.extend(publish(vec![write], verdicts));
                    handout.outcomes.extend(self.ledger.freed().take());
                }
                Err(fault) => {
                    in_a_row += 1;
                    last_fault = Some(fault.clone());
                    if let Some(id) = conversation
                        && failed.insert(id)
                    {
                        handout.failed.push(id);
                    }
                    handout.outcomes.push(Committed::Failed { ticket, fault });
                }
            }
        }
        handout
    }

    fn limit_size(&self, bytes: Option<u64>) {
        let set = || -> rusqlite::Result<()> {
            let page: i64 = self
                .connection
                .pragma_query_value(None, "page_size", |row| row.get(0))?;
            // SQLite's own largest number of pages.
            let pages = bytes.map_or(4_294_967_294, |bytes| bytes as i64 / page.max(1));
            let pragma = format!("PRAGMA max_page_count = {}", pages.max(1));
            self.connection.query_row(&pragma, (), |_| Ok(()))
        };
        // Only a broken connection fails here, and then the next write says so.
        let _ = set();
    }

    fn truncate_wal(&self) -> rusqlite::Result<()> {
        // A reader in the middle would hold appends up; it is tried again soon.
        self.connection.busy_timeout(Duration::ZERO)?;
        let result = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()));
        self.connection.busy_timeout(Duration::from_secs(5))?;
        result
    }
}

/// Ends the transaction that is open, if one is: SQLite rolls some back by itself.
pub(in crate::adapter) fn roll_back(connection: &Connection) {
    if !connection.is_autocommit() {
        // Without a transaction the next BEGIN works, with one it fails and says why.
        let _ = connection.execute_batch("ROLLBACK");
    }
}

/// The conversation of an append that fails because an earlier one did.
fn held_back(taken: &Taken) -> Option<ConversationId> {
    match &taken.write {
        Write::Append(append) if taken.after_failed => Some(append.conversation),
        _ => None,
    }
}

/// Closes the outcomes when it goes.
struct Closing(Arc<Outcomes>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What is told about writes whose transaction is committed.
fn publish(writes: Vec<Taken>, verdicts: Vec<Verdict>) -> Vec<Committed> {
    let pairs = writes.into_iter().zip(verdicts);
    let told = pairs.map(
        |(Taken { ticket, write, .. }, verdict)| match (verdict, write) {
            (Verdict::Placed { prev, counted }, Write::Append(append)) => {
                let (entry, changes) = append.place(prev);
                Committed::Entry {
                    ticket: Some(ticket),
                    entry: Arc::new(entry),
                    counted,
                    changes,
                }
            }
            (Verdict::Failed(fault), _) => Committed::Failed { ticket, fault },
            (Verdict::Duplicate { conversation, seq }, _) => Committed::Duplicate {
                ticket,
                conversation,
                seq,
            },
            (Verdict::Changed | Verdict::Placed { .. }, Write::Change(changes)) => {
                Committed::Changed {
                    ticket: Some(ticket),
                    changes,
                }
            }
            (Verdict::Changed, Write::Append(append)) => Committed::Changed {
                ticket: Some(ticket),
                changes: append.changes,
            },
        },
    );
    told.collect()
}
