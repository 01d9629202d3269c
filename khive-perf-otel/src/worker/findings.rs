//! Findings: what has changed since it was told last, as log records.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use khive_perf::leak::{Finding, LeakReport, LeakReports, OriginId, Verdict};
use khive_perf::snapshot::{CallsiteStats, Snapshot};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::logs::v1::LogRecord;

use crate::config::Config;
use crate::delivery::{Ledger, Stats};
use crate::encode::{self, Envelope};
use crate::signal::Signal;
use crate::worker::collect::bytes_max;
use crate::worker::state::State;

/// Findings of one kind that are told at a time, and origins of which something bad is told at a time. What is left out is
/// told the next time, where it still is so.
const TOLD_MAX: usize = 100;

pub(super) struct Findings {
    leaks: Option<LeakReports>,
    envelope: Envelope,
    bytes_max: usize,
    /// The last snapshot that was looked at.
    previous: Option<Rc<Snapshot>>,
    /// The ledger then.
    stats: Stats,
    /// Origins of which something bad was told.
    told: BTreeMap<OriginId, Told>,
    /// Callsites of which not each call is timed, as was told.
    sampled: BTreeSet<String>,
}

struct Told {
    verdict: Verdict,
    origin: Vec<KeyValue>,
}

impl Findings {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            leaks: config.leaks.clone(),
            envelope: Envelope {
                resource: encode::resource(&config.resource),
                scope: encode::scope(),
            },
            bytes_max: bytes_max(config, Signal::Logs),
            previous: None,
            stats: Stats::default(),
            told: BTreeMap::new(),
            sampled: BTreeSet::new(),
        }
    }

    /// Queues what has changed.
    pub(super) fn collect(&mut self, snapshot: &Rc<Snapshot>, ledger: &Ledger, state: &State) {
        let mut records = Vec::new();
        if let Some(leaks) = self.leaks.clone() {
            self.leaks(&leaks.latest(), &mut records);
        }
        let news = match &self.previous {
            Some(previous) => Rc::new(snapshot.since(previous)),
            None => Rc::clone(snapshot),
        };
        self.previous = Some(Rc::clone(snapshot));
        self.budget(&news, &mut records);
        self.losses(&news, ledger.stats(), &mut records);
        let time = snapshot.time_unix_ns();
        let split = encode::split_logs(records, time, &self.envelope, self.bytes_max);
        state.enqueue(split, true);
    }

    fn leaks(&mut self, report: &LeakReport, records: &mut Vec<LogRecord>) {
        let is_bad = |finding: &Finding| finding.verdict() >= Verdict::Suspect;
        let mut gone = std::mem::take(&mut self.told);
        for finding in report.findings() {
            let id = finding.origin_id();
            let before = gone.remove(&id).map(|told| told.verdict);
            let has_room = self.told.len() + gone.len() < TOLD_MAX;
            if before.is_none() && !(is_bad(finding) && has_room) {
                continue;
            }
            let before = before.unwrap_or(Verdict::InsufficientData);
            if before != finding.verdict() {
                records.push(encode::leak(finding, before));
            }
            if is_bad(finding) {
                let (verdict, origin) = (finding.verdict(), encode::leak_origin(finding));
                self.told.insert(id, Told { verdict, origin });
            }
        }
        let gone = gone.into_values();
        records.extend(gone.map(|told| encode::leak_gone(told.origin, told.verdict)));
    }

    fn budget(&mut self, news: &Snapshot, records: &mut Vec<LogRecord>) {
        let called = news.callsites().iter().filter(|stats| stats.calls() > 0);
        let mut left = TOLD_MAX;
        for stats in called {
            let key = key(stats);
            if stats.sampled() == self.sampled.contains(&key) || left == 0 {
                continue;
            }
            left -= 1;
            records.push(encode::budget(stats));
            if stats.sampled() {
                self.sampled.insert(key);
            } else {
                self.sampled.remove(&key);
            }
        }
    }

    /// What was lost of log records is told by the delivery alone: to tell it here would lose some more.
    fn losses(&mut self, news: &Snapshot, now: Stats, records: &mut Vec<LogRecord>) {
        let before = std::mem::replace(&mut self.stats, now);
        let now = &self.stats;
        let why = now.last_error.as_deref();
        for (signal, what, now, before) in [
            (Signal::Metrics, "dropped", now.dropped, before.dropped),
            (Signal::Metrics, "rejected", now.rejected, before.rejected),
            (
                Signal::Traces,
                "dropped",
                now.spans.dropped,
                before.spans.dropped,
            ),
            (
                Signal::Traces,
                "rejected",
                now.spans.rejected,
                before.spans.rejected,
            ),
        ] {
            if now > before {
                records.push(encode::lost(signal, what, now - before, why));
            }
        }
        for (reason, measurements) in news.overflow().iter() {
            records.push(encode::not_recorded(reason, measurements));
        }
    }
}

/// Tells a series from others, as long as the process lives.
fn key(stats: &CallsiteStats) -> String {
    let (function, name, line) = (stats.function(), stats.name(), stats.line());
    let mut key = format!("{function}\0{name}\0{line}\0{}", stats.file());
    for (field, value) in stats.attributes() {
        key.push_str(&format!("\0{field}={value}"));
    }
    key
}
