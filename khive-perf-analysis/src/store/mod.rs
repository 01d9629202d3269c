//! What can be kept and asked, in the words of the domain; the SQL is in `sqlite`.

mod assemble;
mod blob;
pub mod history;
mod machine;
mod row;
mod sqlite;
mod total;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

pub(crate) use self::assemble::function_key;
pub use self::machine::Machines;
use crate::error::Error;
use crate::model::{CallsiteKey, Metric, Run, Summary};
use crate::points::logs::ResourceLogs;
use crate::points::spans::ResourceSpans;
use crate::points::{Attributes, Batch, Kind, ResourcePoints, Temporality, Value};
use crate::store::history::{History, KnownStep, Scope};
use crate::store::sqlite::Sqlite;

/// Series one run may have; points of further series are rejected and counted.
pub const SERIES_MAX_PER_RUN: u64 = 100_000;

/// Spans that are kept of one run, the newest; histograms of their durations have them all.
pub const SPANS_MAX_PER_RUN: u64 = 200_000;

/// Log records that are kept of one run: the newest, and before them those that warn.
pub const LOGS_MAX_PER_RUN: u64 = 10_000;

/// The metric that the durations of spans become.
pub const SPAN_DURATION: &str = "khive.perf.span.duration";

/// The metric that log records are counted by.
pub const LOG_RECORDS: &str = "khive.perf.log.records";

/// Name of a service that does not say its own.
pub(crate) const UNKNOWN_SERVICE: &str = "unknown_service";

/// The runs of one database file; clones share it.
#[derive(Clone)]
pub struct Store {
    path: Arc<PathBuf>,
    sqlite: Arc<Mutex<Sqlite>>,
}

/// Which run the points of a batch belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// This run, whoever sends.
    Run(i64),
    /// The run of each `service.name` and `service.instance.id`, created when first seen.
    PerInstance,
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Points that are new.
    pub stored: u64,
    /// Points that were here already, or are older than what is here.
    pub repeated: u64,
    /// Points of series beyond [`SERIES_MAX_PER_RUN`].
    pub rejected: u64,
    /// Runs that the points went to.
    pub runs: Vec<i64>,
}

/// How a run began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRun {
    /// Name; several runs may share it.
    pub name: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// When it started, nanoseconds since the Unix epoch.
    pub started_unix_ns: u64,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// When it ended, nanoseconds since the Unix epoch.
    pub ended_unix_ns: u64,
    /// What the command returned; 128 and the signal where one ended it.
    pub exit_code: Option<i32>,
    /// Whether its measurements are to be believed.
    pub status: Status,
}

/// State of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Points may still arrive, or the receiver was killed.
    Open,
    /// Ended well.
    Complete,
    /// The command failed, or nothing arrived.
    Failed,
}

/// A run without its measurements.
#[derive(Clone, Debug, PartialEq)]
pub struct RunInfo {
    /// Row id.
    pub id: i64,
    /// Name; several runs may share it.
    pub name: String,
    /// State.
    pub status: Status,
    /// When it started, nanoseconds since the Unix epoch.
    pub started_unix_ns: u64,
    /// When it ended, where it has.
    pub ended_unix_ns: Option<u64>,
    /// The program and its arguments; empty for runs of `serve`.
    pub command: Vec<String>,
    /// What the command returned.
    pub exit_code: Option<i32>,
    /// Who sent: host, operating system, service and its version.
    pub resources: Vec<Attributes>,
    /// Number of series.
    pub series: u64,
}

/// A run with every point that is kept of it: what is taken out of one database, or out of the file of another tool, and put
/// into another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunPoints {
    /// Name; several runs may share it.
    pub name: String,
    /// State.
    pub status: Status,
    /// When it started, nanoseconds since the Unix epoch.
    pub started_unix_ns: u64,
    /// When it ended, where it has.
    pub ended_unix_ns: Option<u64>,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// What the command returned.
    pub exit_code: Option<i32>,
    /// Whether it is among the baseline.
    pub baseline: bool,
    /// What was measured, by who sent it.
    pub resources: Vec<ResourcePoints>,
    /// The spans that are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<ResourceSpans>,
    /// The log records that are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<ResourceLogs>,
}

/// What became of runs that were to be put into a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Runs that are new.
    pub stored: usize,
    /// Runs that were there already, point for point.
    pub repeated: usize,
}

/// One series of a run, with its points added up.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesTotal {
    /// Who sent it.
    pub resource: Attributes,
    /// Name of the instrumentation scope.
    pub scope_name: String,
    /// Version of the instrumentation scope.
    pub scope_version: String,
    /// Attributes of the instrumentation scope.
    pub scope_attributes: Attributes,
    /// Name of the metric.
    pub metric: String,
    /// Unit, as sent.
    pub unit: String,
    /// What the points are.
    pub kind: Kind,
    /// What the points cover.
    pub temporality: Temporality,
    /// Whether a sum can only grow.
    pub monotonic: bool,
    /// Attributes of the series.
    pub attributes: Attributes,
    /// Earliest start of its points, nanoseconds since the Unix epoch.
    pub start_unix_ns: u64,
    /// Latest time of its points, nanoseconds since the Unix epoch.
    pub time_unix_ns: u64,
    /// Sums and histograms: all starts added up. Gauges and non-monotonic sums: the latest value.
    pub value: Value,
}

// === impl RunInfo ===

impl RunInfo {
    /// Seconds from its start to its end, where it has ended.
    #[must_use]
    pub fn seconds(&self) -> Option<f64> {
        let ended = self.ended_unix_ns?.checked_sub(self.started_unix_ns)?;
        Some(ended as f64 / 1e9)
    }
}

// === impl Store ===

impl Store {
    /// Opens the database at `path`, creating it or bringing its schema up to date where needed.
    ///
    /// # Errors
    ///
    /// Where the file is not a database of ours, is damaged or has a newer schema (it is then left as it
    /// is), or where the file system refuses.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let sqlite = Arc::new(Mutex::new(Sqlite::open(path)?));
        Ok(Self {
            path: Arc::new(path.to_owned()),
            sqlite,
        })
    }

    /// Opens the database at `path`, which must exist.
    ///
    /// # Errors
    ///
    /// As [`Store::open`], and where there is no such file.
    pub fn open_existing(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        if !path.exists() {
            return Err(Error::no_database(path));
        }
        Self::open(path)
    }

    /// Where the database is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins a run and returns its id.
    ///
    /// # Errors
    ///
    /// Where the database cannot be written.
    pub fn create_run(&self, run: &NewRun) -> Result<i64, Error> {
        self.sqlite().create_run(run)
    }

    /// Ends a run.
    ///
    /// # Errors
    ///
    /// Where the database cannot be written.
    pub fn finish_run(&self, id: i64, ending: Ending) -> Result<(), Error> {
        self.sqlite().finish_run(id, ending)
    }

    /// Ends every run of `serve` that is open: the receiver was shut down and nothing more can arrive.
    ///
    /// # Errors
    ///
    /// Where the database cannot be written.
    pub fn complete_served(&self) -> Result<(), Error> {
        self.sqlite().complete_served()
    }

    /// Keeps the points of one request, all or none; when it returns `Ok` they survive a crash of this process.
    ///
    /// The same points sent again change nothing.
    ///
    /// # Errors
    ///
    /// Where the database cannot be written; nothing of the batch is then kept.
    pub fn append(&self, target: Target, batch: &Batch) -> Result<Appended, Error> {
        self.sqlite().append(target, batch)
    }

    /// Keeps the spans of one request as [`Store::append`] keeps points: all or none, and each once.
    ///
    /// Each adds its duration to [`SPAN_DURATION`], and the newest [`SPANS_MAX_PER_RUN`] are kept themselves; one that
    /// comes again after it had to go is counted again.
    ///
    /// # Errors
    ///
    /// Where the database cannot be written; nothing of the request is then kept.
    pub fn append_spans(&self, target: Target, spans: &[ResourceSpans]) -> Result<Appended, Error> {
        self.sqlite().append_spans(target, spans)
    }

    /// Keeps the log records of one request, in the same way; they are counted as [`LOG_RECORDS`].
    ///
    /// # Errors
    ///
    /// Where the database cannot be written; nothing of the request is then kept.
    pub fn append_logs(&self, target: Target, logs: &[ResourceLogs]) -> Result<Appended, Error> {
        self.sqlite().append_logs(target, logs)
    }

    /// The spans that are kept of run `id`.
    ///
    /// # Errors
    ///
    /// Where there is no such run, or the database cannot be read.
    pub fn spans(&self, id: i64) -> Result<Vec<ResourceSpans>, Error> {
        let sqlite = self.sqlite();
        sqlite.run(id)?;
        sqlite.spans(id)
    }

    /// The log records that are kept of run `id`.
    ///
    /// # Errors
    ///
    /// Where there is no such run, or the database cannot be read.
    pub fn logs(&self, id: i64) -> Result<Vec<ResourceLogs>, Error> {
        let sqlite = self.sqlite();
        sqlite.run(id)?;
        sqlite.logs(id)
    }

    /// Every run, oldest first.
    ///
    /// # Errors
    ///
    /// Where the database cannot be read.
    pub fn runs(&self) -> Result<Vec<RunInfo>, Error> {
        self.sqlite().runs(None)
    }

    /// Runs whose name is `pattern`, or matches it as a glob (`*`, `?`, `[a-z]`), or the one whose id it is
    /// (`#7`); oldest first.
    ///
    /// # Errors
    ///
    /// Where the database cannot be read.
    pub fn runs_named(&self, pattern: &str) -> Result<Vec<RunInfo>, Error> {
        self.sqlite().runs(Some(pattern))
    }

    /// Everything that run `id` recorded, by callsite.
    ///
    /// # Errors
    ///
    /// Where there is no such run, or the database cannot be read.
    pub fn load(&self, id: i64) -> Result<Run, Error> {
        let (info, series) = {
            let sqlite = self.sqlite();
            (sqlite.run(id)?, sqlite.series(id)?)
        };
        Ok(assemble::run(&info, &series))
    }

    /// The same, with the series that it is made of.
    ///
    /// # Errors
    ///
    /// Where there is no such run, or the database cannot be read.
    pub fn load_with_series(&self, id: i64) -> Result<(Run, Vec<SeriesTotal>), Error> {
        let (info, series) = {
            let sqlite = self.sqlite();
            (sqlite.run(id)?, sqlite.series(id)?)
        };
        Ok((assemble::run(&info, &series), series))
    }

    /// The exact numbers of every series of run `id`.
    ///
    /// # Errors
    ///
    /// Where there is no such run, or the database cannot be read.
    pub fn series(&self, id: i64) -> Result<Vec<SeriesTotal>, Error> {
        let sqlite = self.sqlite();
        sqlite.run(id)?;
        sqlite.series(id)
    }

    /// Leaves a finding of `recommend` alone from now on.
    ///
    /// # Errors
    ///
    /// Where the database cannot be written.
    pub fn acknowledge(&self, finding: &str, because: &str) -> Result<(), Error> {
        self.sqlite().acknowledge(finding, because)
    }

    /// Tells of a finding again; says whether it was left alone.
    ///
    /// # Errors
    ///
    /// Where the database cannot be written.
    pub fn forget(&self, finding: &str) -> Result<bool, Error> {
        self.sqlite().forget(finding)
    }

    /// Findings that are left alone, and why.
    ///
    /// # Errors
    ///
    /// Where the database cannot be read.
    pub fn acknowledged(&self) -> Result<BTreeMap<String, String>, Error> {
        self.sqlite().acknowledged()
    }

    /// Run `id` with every point that is kept of it.
    ///
    /// # Errors
    ///
    /// Where there is no such run, or the database cannot be read.
    pub fn take_out(&self, id: i64) -> Result<RunPoints, Error> {
        let sqlite = self.sqlite();
        let info = sqlite.run(id)?;
        let baseline = sqlite.baseline()?.contains(&id);
        Ok(RunPoints {
            name: info.name,
            status: info.status,
            started_unix_ns: info.started_unix_ns,
            ended_unix_ns: info.ended_unix_ns,
            command: info.command,
            exit_code: info.exit_code,
            baseline,
            resources: sqlite.points(id)?,
            spans: sqlite.spans(id)?,
            logs: sqlite.logs(id)?,
        })
    }

    /// Puts runs in, all or none. What is there already, point for point, is left alone. Those that were the baseline are it
    /// here, too, unless there is one.
    ///
    /// # Errors
    ///
    /// Where the database cannot be read or written, or a run has more than [`SERIES_MAX_PER_RUN`] series; nothing is then
    /// changed.
    pub fn put_in(&self, runs: &[RunPoints]) -> Result<Restored, Error> {
        let known = self.runs()?;
        let mut new = Vec::new();
        for run in runs {
            let mut is_known = false;
            for info in &known {
                let is_like = info.name == run.name && info.started_unix_ns == run.started_unix_ns;
                if is_like {
                    let there = self.take_out(info.id)?;
                    is_known |= there.resources == run.resources
                        && there.spans == run.spans
                        && there.logs == run.logs;
                }
            }
            if !is_known {
                new.push(run);
            }
        }
        self.sqlite().restore(&new)?;
        Ok(Restored {
            stored: new.len(),
            repeated: runs.len() - new.len(),
        })
    }

    /// Complete runs whose summary is missing, oldest first; see [`Store::summarise`].
    ///
    /// # Errors
    ///
    /// Where the database cannot be read.
    pub fn unsummarised(&self) -> Result<Vec<i64>, Error> {
        self.sqlite().unsummarised()
    }

    /// Keeps what run `id` says of its callsites, in place of what was kept before.
    ///
    /// # Errors
    ///
    /// Where the database cannot be written.
    pub fn summarise(&self, id: i64, summaries: &[(CallsiteKey, Summary)]) -> Result<(), Error> {
        self.sqlite().summarise(id, summaries)
    }

    /// One metric of every callsite in `scope`, over the complete runs that have a summary; sorted by callsite.
    ///
    /// # Errors
    ///
    /// Where the database cannot be read.
    pub fn history(&self, metric: Metric, scope: &Scope) -> Result<Vec<History>, Error> {
        self.sqlite().history(metric, scope)
    }

    /// The steps that are remembered of one history.
    ///
    /// # Errors
    ///
    /// Where the database cannot be read.
    pub fn known_steps(
        &self,
        key: &CallsiteKey,
        metric: Metric,
        scope: &Scope,
    ) -> Result<Vec<KnownStep>, Error> {
        self.sqlite().known_steps(key, metric, scope)
    }

    /// Remembers steps of one history: those with a known id anew, others as new.
    ///
    /// # Errors
    ///
    /// Where the database cannot be written, or has no summary of the callsite.
    pub fn remember_steps(
        &self,
        key: &CallsiteKey,
        metric: Metric,
        scope: &Scope,
        steps: &[KnownStep],
    ) -> Result<(), Error> {
        self.sqlite().remember_steps(key, metric, scope, steps)
    }

    /// Deletes runs with all that they recorded.
    ///
    /// # Errors
    ///
    /// Where the database cannot be written; nothing is then deleted.
    pub fn delete_runs(&self, ids: &[i64]) -> Result<(), Error> {
        self.sqlite().delete_runs(ids)
    }

    /// Adds up the points of every series of these runs into one point each, and lets their spans and log records go; totals
    /// and summaries stay as they were. Returns how many rows there are less.
    ///
    /// # Errors
    ///
    /// Where the database cannot be read or written; nothing is then changed.
    pub fn downsample(&self, ids: &[i64]) -> Result<u64, Error> {
        let mut sqlite = self.sqlite();
        Ok(sqlite.downsample(ids)? + sqlite.forget_details(ids)?)
    }

    /// Row ids of the runs that are the baseline, in order.
    ///
    /// # Errors
    ///
    /// Where the database cannot be read.
    pub fn baseline(&self) -> Result<Vec<i64>, Error> {
        self.sqlite().baseline()
    }

    /// Makes these runs the baseline, in place of those that were.
    ///
    /// # Errors
    ///
    /// Where the database cannot be written, or has no such run.
    pub fn set_baseline(&self, ids: &[i64]) -> Result<(), Error> {
        self.sqlite().set_baseline(ids)
    }

    /// No state outlives a transaction, so what a panicking thread left behind is sound.
    fn sqlite(&self) -> MutexGuard<'_, Sqlite> {
        self.sqlite.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

// === impl Status ===

impl Status {
    /// The word the database and the reports use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Complete => "complete",
            Self::Failed => "failed",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Open, Self::Complete, Self::Failed]
            .into_iter()
            .find(|status| status.as_str() == word)
    }
}
