//! What the operating system knows of this process: its open files, its threads, its resident set.
//!
//! Read from `/proc`, which Linux and Android have. Elsewhere nothing is known of these, and reports say so.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::time::Duration;

use crate::leak::census::{Census, Kind, Live};
use crate::leak::names::Names;

/// Entries of a directory that are read; where there are more, nothing is said, rather than something wrong.
const ENTRIES_MAX: usize = 65_536;

/// Files and threads that were there at the last census.
#[derive(Debug, Default)]
pub(super) struct Process {
    files: Seen<(u64, String)>,
    threads: Seen<(u64, u64)>,
}

/// What was seen before, since when, and under which number.
#[derive(Debug)]
struct Seen<K> {
    known: HashMap<K, (u64, Duration)>,
    next: u64,
}

impl<K> Default for Seen<K> {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
            next: 0,
        }
    }
}

impl<K: Eq + std::hash::Hash> Seen<K> {
    /// Takes what is there now, with their names.
    fn observe(
        &mut self,
        kind: Kind,
        there: Vec<(K, String)>,
        census: &mut Census,
        names: &mut Names,
    ) {
        let mut known = HashMap::with_capacity(there.len());
        for (key, name) in there {
            let (id, born) = self.known.remove(&key).unwrap_or_else(|| {
                self.next += 1;
                (self.next, census.at)
            });
            let origin = names.number(kind, &name, "", 0);
            census.live.push(Live::new(id, origin, born, 0));
            known.insert(key, (id, born));
        }
        self.known = known;
    }
}

impl Process {
    /// Adds all that is known to a census, and says of what nothing is.
    pub(super) fn add_to(
        &mut self,
        census: &mut Census,
        names: &mut Names,
        unknown: &mut Vec<(Kind, String)>,
    ) {
        match files() {
            Ok(files) => self
                .files
                .observe(Kind::FileDescriptor, files, census, names),
            Err(error) => unknown.push((Kind::FileDescriptor, error.to_string())),
        }
        match threads() {
            Ok(threads) => self.threads.observe(Kind::Thread, threads, census, names),
            Err(error) => unknown.push((Kind::Thread, error.to_string())),
        }
        census.resident = resident();
    }
}

/// Open files: number and what it is open on, and by which name its like is known.
fn files() -> io::Result<Vec<((u64, String), String)>> {
    let mut files = Vec::new();
    for entry in entries("/proc/self/fd")? {
        // One may be closed meanwhile, as is the one that reads the directory.
        let Ok(target) = fs::read_link(format!("/proc/self/fd/{entry}")) else {
            continue;
        };
        let target = target.to_string_lossy().into_owned();
        let name = file_name(&target);
        files.push(((entry, target), name));
    }
    Ok(files)
}

/// By what an open file is known: its kind, or the directory that it is in.
fn file_name(target: &str) -> String {
    if !target.starts_with('/') {
        // `socket:[1234]`, `pipe:[1234]`, `anon_inode:[eventpoll]`
        let (kind, number) = target.split_once(':').unwrap_or((target, ""));
        let is_number = number
            .trim_matches(['[', ']'])
            .bytes()
            .all(|byte| byte.is_ascii_digit());
        return if is_number {
            kind.to_owned()
        } else {
            target.to_owned()
        };
    }
    let target = target.trim_end_matches(" (deleted)");
    match target.rsplit_once('/') {
        Some(("", _)) | None => String::from("/"),
        Some((directory, _)) => format!("{directory}/"),
    }
}

/// Threads: number and when it was started, and its name without digits.
fn threads() -> io::Result<Vec<((u64, u64), String)>> {
    let mut threads = Vec::new();
    for entry in entries("/proc/self/task")? {
        let Ok(stat) = fs::read_to_string(format!("/proc/self/task/{entry}/stat")) else {
            continue;
        };
        if let Some((name, started)) = parse_stat(&stat) {
            threads.push(((entry, started), name));
        }
    }
    Ok(threads)
}

/// Name and start of a thread. The name stands in parentheses, and may contain some itself.
fn parse_stat(stat: &str) -> Option<(String, u64)> {
    let (head, tail) = stat.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let started = tail.split_whitespace().nth(19)?.parse().ok()?;
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '-' | '_' | '#'));
    Some((name.to_owned(), started))
}

/// The numbers that name the entries of a directory.
fn entries(directory: &str) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        numbers.extend(name.to_str().and_then(|name| name.parse::<u64>().ok()));
        if numbers.len() > ENTRIES_MAX {
            let says = format!("`{directory}` has more than {ENTRIES_MAX} entries");
            return Err(io::Error::other(says));
        }
    }
    Ok(numbers)
}

/// Bytes of the process that are in memory.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_files_are_known_by_kind_or_directory() {
        assert_eq!(file_name("socket:[4711]"), "socket");
        assert_eq!(
            file_name("anon_inode:[eventpoll]"),
            "anon_inode:[eventpoll]"
        );
        assert_eq!(
            file_name("/var/log/service/a.log (deleted)"),
            "/var/log/service/"
        );
        assert_eq!(file_name("/file"), "/");
    }

    #[test]
    fn a_threads_name_may_contain_what_ends_it() {
        let stat = "12 (a (b) 7) S 1 1 1 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 998877 1 1";
        assert_eq!(parse_stat(stat), Some((String::from("a (b) "), 998_877)));
        assert_eq!(parse_stat("12 (a"), None);
        assert_eq!(parse_stat("12 (a) S 1"), None);
    }

    #[test]
    fn what_is_seen_again_keeps_its_number_and_what_comes_back_is_new() {
        let mut seen = Seen::default();
        let mut names = Names::default();
        let mut look = |second: u64, there: &[u64]| {
            let mut census = Census::at(Duration::from_secs(second));
            let there = there.iter().map(|key| (*key, String::from("x"))).collect();
            seen.observe(Kind::Thread, there, &mut census, &mut names);
            let mut live: Vec<(u64, u64)> = census
                .live
                .iter()
                .map(|live| (live.id, live.born.as_secs()))
                .collect();
            live.sort_unstable();
            live
        };
        assert_eq!(look(1, &[10, 20]), [(1, 1), (2, 1)]);
        assert_eq!(look(2, &[20, 30]), [(2, 1), (3, 2)]);
        assert_eq!(look(3, &[10]), [(4, 3)]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_files_threads_and_memory() {
        let (mut census, mut names) = (Census::at(Duration::from_secs(1)), Names::default());
        let mut unknown = Vec::new();
        Process::default().add_to(&mut census, &mut names, &mut unknown);
        assert_eq!(unknown, []);
        let has = |kind| census.live.iter().any(|live| live.origin.kind() == kind);
        assert!(has(Kind::FileDescriptor) && has(Kind::Thread));
        assert!(census.resident.is_some_and(|bytes| bytes > 100_000));
    }
}
