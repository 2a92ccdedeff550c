//! What a process costs, as `/proc` tells it: all its threads and children.

use std::fs;

/// CPU seconds and memory of a process tree.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    /// User and system time, of ended children too.
    pub(super) cpu_s: f64,
    /// Proportional set size.
    pub(super) memory_kib: u64,
}

impl Usage {
    /// Of a process and all its descendants; zero where it is gone.
    pub(super) fn of(root: u32) -> Self {
        let mut total = Self::default();
        let mut tree = vec![root];
        let all = processes();
        let mut next = 0;
        while let Some(pid) = tree.get(next).copied() {
            tree.extend(
                all.iter()
                    .filter(|process| process.parent == pid)
                    .map(|child| child.pid),
            );
            next += 1;
        }
        for process in all.iter().filter(|process| tree.contains(&process.pid)) {
            total.cpu_s += process.cpu_s;
            total.memory_kib += memory_kib(process.pid);
        }
        total
    }
}

struct Process {
    pid: u32,
    parent: u32,
    cpu_s: f64,
}

fn processes() -> Vec<Process> {
    let folders = fs::read_dir("/proc").into_iter().flatten().flatten();
    folders
        .filter_map(|folder| folder.file_name().to_str()?.parse().ok())
        .filter_map(read)
        .collect()
}

/// Reads `/proc/PID/stat`; see proc(5).
fn read(pid: u32) -> Option<Process> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, spaces too.
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let ticks: u64 = fields
        .get(11..15)?
        .iter()
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    let per_second = rustix::param::clock_ticks_per_second() as f64;
    let parent = fields.get(1)?.parse().ok()?;
    Some(Process {
        pid,
        parent,
        cpu_s: ticks as f64 / per_second,
    })
}

fn memory_kib(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok())
        .unwrap_or(0)
}
