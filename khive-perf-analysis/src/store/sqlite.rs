//! The only file with SQL: opens and migrates a database, appends points, reads runs.
//!
//! The journal is a write-ahead log with `synchronous = NORMAL`: what was committed survives the death of
//! this process at any moment; a power cut may take the last transactions, never the file.

mod acknowledged;
mod archive;
mod history;
mod insert;
mod keep;
mod logs;
mod spans;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{
    Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params,
};

use crate::clock;
use crate::error::{Error, OPENING};
use crate::points::{
    self, Attributes, Batch, Kind, MetricPoints, Point, ResourcePoints, Temporality, Value,
};
use crate::store::row::{self, failed, integer, json};
use crate::store::sqlite::insert::{INSERT_POINT, insert_point};
use crate::store::{
    Appended, Ending, NewRun, RunInfo, SERIES_MAX_PER_RUN, SeriesTotal, Target, UNKNOWN_SERVICE,
    total,
};

/// Marks the file as ours: `khpf`.
const APPLICATION_ID: i64 = 0x6b68_7066;

/// Schema version `n` is what the first `n` of these make.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_runs_series_points.sql"),
    include_str!("migrations/0002_history.sql"),
    include_str!("migrations/0003_totals.sql"),
    include_str!("migrations/0004_acknowledged.sql"),
    include_str!("migrations/0005_spans_logs.sql"),
];

/// Runs with more points for each series than this are added up once, and the totals kept.
const TOTALLED_FROM: usize = 4;

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Larger files are not read through when they are opened.
const CHECKED_BYTES_MAX: u64 = 64 << 20;

/// An open database.
pub(crate) struct Sqlite {
    path: PathBuf,
    connection: Connection,
    /// Number of series by run, for the limit.
    series: HashMap<i64, u64>,
    /// Number of spans by run, as far as it was counted, for the limit.
    spans: HashMap<i64, u64>,
}

// === impl Sqlite ===

impl Sqlite {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let connection = open(path)?;
        Ok(Self {
            path: path.to_owned(),
            connection,
            series: HashMap::new(),
            spans: HashMap::new(),
        })
    }

    pub(crate) fn create_run(&self, run: &NewRun) -> Result<i64, Error> {
        let command = (!run.command.is_empty()).then(|| serde_json::json!(run.command).to_string());
        self.connection
            .execute(
                "INSERT INTO run (name, source, status, started_unix_ns, command)
                 VALUES (?1, 'run', 'open', ?2, ?3)",
                params![run.name, integer(run.started_unix_ns), command],
            )
            .map_err(|error| failed(&self.path, "creating a run in", error))?;
        Ok(self.connection.last_insert_rowid())
    }

    pub(crate) fn finish_run(&self, id: i64, ending: Ending) -> Result<(), Error> {
        let changed = self
            .connection
            .execute(
                "UPDATE run SET status = ?2, ended_unix_ns = ?3, exit_code = ?4 WHERE id = ?1",
                params![
                    id,
                    ending.status.as_str(),
                    integer(ending.ended_unix_ns),
                    ending.exit_code
                ],
            )
            .map_err(|error| failed(&self.path, "ending a run in", error))?;
        if changed == 0 {
            Err(Error::no_run(&self.path, format!("#{id}")))
        } else {
            Ok(())
        }
    }

    pub(crate) fn complete_served(&self) -> Result<(), Error> {
        self.connection
            .execute(
                "UPDATE run SET status = 'complete', ended_unix_ns =
                    (SELECT max(time_unix_ns) FROM resource
                     JOIN series ON series.resource_id = resource.id
                     JOIN point ON point.series_id = series.id
                     WHERE resource.run_id = run.id)
                 WHERE source = 'serve' AND status = 'open'",
                [],
            )
            .map_err(|error| failed(&self.path, "ending the runs of", error))?;
        Ok(())
    }

    pub(crate) fn append(&mut self, target: Target, batch: &Batch) -> Result<Appended, Error> {
        self.append_with("storing points in", |append| {
            for resource in &batch.resources {
                append.resource(target, resource)?;
            }
            Ok(true)
        })
    }

    /// Puts something in, all of it or nothing; nothing, too, where `put_in` says that it is not to stay.
    fn append_with(
        &mut self,
        doing: &'static str,
        put_in: impl FnOnce(&mut Append<'_>) -> rusqlite::Result<bool>,
    ) -> Result<Appended, Error> {
        let Self {
            path,
            connection,
            series,
            spans,
        } = self;
        let mut appended = Appended::default();
        let result = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .and_then(|transaction| {
                let is_to_stay = put_in(&mut Append {
                    transaction: &transaction,
                    series,
                    spans,
                    appended: &mut appended,
                })?;
                if is_to_stay {
                    transaction.commit()?;
                }
                Ok(is_to_stay)
            });
        if !matches!(result, Ok(true)) {
            // What was counted has been rolled back.
            series.clear();
            spans.clear();
        }
        match result {
            Ok(_) => Ok(appended),
            Err(error) => Err(failed(path, doing, error)),
        }
    }

    pub(crate) fn runs(&self, pattern: Option<&str>) -> Result<Vec<RunInfo>, Error> {
        self.select_runs(
            "WHERE ?1 IS NULL OR name = ?1 OR name GLOB ?1 OR '#' || id = ?1",
            &pattern,
        )
    }

    pub(crate) fn run(&self, id: i64) -> Result<RunInfo, Error> {
        let mut runs = self.select_runs("WHERE id = ?1", &id)?;
        runs.pop()
            .ok_or_else(|| Error::no_run(&self.path, format!("#{id}")))
    }

    fn select_runs(
        &self,
        condition: &str,
        parameter: &dyn rusqlite::ToSql,
    ) -> Result<Vec<RunInfo>, Error> {
        let select = format!(
            "SELECT id, name, status, started_unix_ns, ended_unix_ns, command, exit_code,
                    (SELECT count(*) FROM series JOIN resource ON resource.id = resource_id
                     WHERE run_id = run.id),
                    (SELECT json_group_array(json(attributes)) FROM
                     (SELECT attributes FROM resource WHERE run_id = run.id ORDER BY id))
             FROM run {condition} ORDER BY started_unix_ns, id"
        );
        let reading = |error| failed(&self.path, "reading the runs of", error);
        let mut statement = self.connection.prepare_cached(&select).map_err(reading)?;
        let rows = statement
            .query_map([parameter], row::run_info)
            .map_err(reading)?;
        rows.collect::<Result<_, _>>().map_err(reading)
    }

    /// Every series of a run, in the order of metric, attributes and first appearance.
    pub(crate) fn series(&self, run: i64) -> Result<Vec<SeriesTotal>, Error> {
        let all = self.series_with_ids(run)?;
        Ok(all.into_iter().map(|(_, series)| series).collect())
    }

    fn series_with_ids(&self, run: i64) -> Result<Vec<(i64, SeriesTotal)>, Error> {
        let reading = |error| failed(&self.path, "reading a run of", error);
        let (is_complete, totalled): (bool, bool) = self
            .connection
            .prepare_cached("SELECT status = 'complete', totalled FROM run WHERE id = ?1")
            .and_then(|mut run_is| run_is.query_row([run], |row| Ok((row.get(0)?, row.get(1)?))))
            .map_err(reading)?;
        let source = if totalled { "total" } else { "point" };
        // One transaction, so that what is kept is what was read: if points come in between, keeping them fails.
        let transaction = self.connection.unchecked_transaction().map_err(reading)?;
        let (all, points) = self.add_up(run, source).map_err(reading)?;
        if is_complete && !totalled && points > TOTALLED_FROM * all.len() {
            self.keep_totals(transaction, run, &all)?;
        }
        Ok(all)
    }

    /// Every series of a run with the rows of `source` added up, and how many rows there were.
    fn add_up(
        &self,
        run: i64,
        source: &'static str,
    ) -> rusqlite::Result<(Vec<(i64, SeriesTotal)>, usize)> {
        let mut all: Vec<(i64, SeriesTotal)> = Vec::new();
        let mut points = 0;
        self.for_each_row(run, source, |id, point| {
            points += 1;
            match all.last_mut().filter(|(last, _)| *last == id) {
                Some((_, series)) => row::add_later(series, &point),
                None => all.push((id, point)),
            }
        })?;
        Ok((all, points))
    }

    /// Hands out the rows of `source`, those of one series together and in the order of time.
    fn for_each_row(
        &self,
        run: i64,
        source: &'static str,
        mut each: impl FnMut(i64, SeriesTotal),
    ) -> rusqlite::Result<()> {
        let select = format!(
                "SELECT series.id, resource.attributes, scope_name, scope_version,
                        scope_attributes, metric, unit, kind, temporality, monotonic, series.attributes,
                        start_unix_ns, time_unix_ns, value_int, value_double, count, sum, min, max,
                        scale, zero_count, zero_threshold, bounds, buckets
                 FROM resource
                 JOIN series ON series.resource_id = resource.id
                 JOIN {source} AS source ON source.series_id = series.id
                 WHERE resource.run_id = ?1
                 ORDER BY metric, series.attributes, series.id, time_unix_ns, start_unix_ns"
        );
        let mut statement = self.connection.prepare_cached(&select)?;
        let mut rows = statement.query([run])?;
        while let Some(row) = rows.next()? {
            each(row.get(0)?, row::series_total(row)?);
        }
        Ok(())
    }
}

/// The points of one batch on their way into one transaction.
struct Append<'a> {
    transaction: &'a Transaction<'a>,
    /// Number of series by run, for the limit.
    series: &'a mut HashMap<i64, u64>,
    /// Number of spans by run, as far as it was counted, for the limit.
    spans: &'a mut HashMap<i64, u64>,
    appended: &'a mut Appended,
}

impl Append<'_> {
    fn resource(&mut self, target: Target, points: &ResourcePoints) -> rusqlite::Result<()> {
        if points.metrics.iter().all(|metric| metric.points.is_empty()) {
            return Ok(());
        }
        let starts = points.metrics.iter().flat_map(|metric| &metric.points);
        let started = starts
            .map(|point| point.start_unix_ns)
            .filter(|&start| start > 0)
            .min();
        let (run, resource) = self.resource_row(target, &points.resource, started)?;
        for metric in &points.metrics {
            for point in &metric.points {
                match self.series(run, resource, metric, point)? {
                    Some(series) => self.point(series, metric, point)?,
                    None => self.appended.rejected += 1,
                }
            }
        }
        Ok(())
    }

    /// The run that something of this resource goes to, and the row of the resource in it.
    fn resource_row(
        &mut self,
        target: Target,
        resource: &Attributes,
        started: Option<u64>,
    ) -> rusqlite::Result<(i64, i64)> {
        let run = match target {
            Target::Run(run) => run,
            Target::PerInstance => self.instance_run(resource, started)?,
        };
        if !self.appended.runs.contains(&run) {
            self.appended.runs.push(run);
            // What was kept of it is no longer all of it.
            self.transaction
                .prepare_cached(
                    "UPDATE run SET summarised = 0, totalled = 0
                     WHERE id = ?1 AND (summarised = 1 OR totalled = 1)",
                )?
                .execute([run])?;
        }
        let row = self
            .transaction
            .prepare_cached(
                "INSERT INTO resource (run_id, attributes) VALUES (?1, ?2)
                 ON CONFLICT DO UPDATE SET attributes = excluded.attributes RETURNING id",
            )?
            .query_row(params![run, json(resource)], |row| row.get(0))?;
        Ok((run, row))
    }

    /// The run of the service instance, created or opened again where needed.
    fn instance_run(&self, resource: &Attributes, started: Option<u64>) -> rusqlite::Result<i64> {
        let text = |key: &str| resource.get(key).map(points::text);
        let service = text("service.name").unwrap_or_else(|| UNKNOWN_SERVICE.into());
        let instance = text("service.instance.id").unwrap_or_default();
        self.transaction
            .prepare_cached(
                "INSERT INTO run (name, source, status, started_unix_ns, service_name, service_instance_id)
                 VALUES (?1, 'serve', 'open', ?3, ?1, ?2)
                 ON CONFLICT (service_name, service_instance_id) WHERE source = 'serve'
                 DO UPDATE SET status = 'open', ended_unix_ns = NULL RETURNING id",
            )?
            .query_row(
                params![service, instance, integer(started.unwrap_or_else(clock::unix_now_ns))],
                |row| row.get(0),
            )
    }

    /// The series a point belongs to, or `None` where the run may have no more.
    fn series(
        &mut self,
        run: i64,
        resource: i64,
        metric: &MetricPoints,
        point: &Point,
    ) -> rusqlite::Result<Option<i64>> {
        let attributes = json(&point.attributes);
        let scope_attributes = json(&metric.scope_attributes);
        let identity = params![
            resource,
            metric.name,
            attributes,
            metric.scope_name,
            metric.scope_version,
            scope_attributes,
            metric.unit,
            metric.kind.as_str(),
            metric.temporality.as_str(),
            metric.monotonic,
        ];
        let known = self
            .transaction
            .prepare_cached(
                "SELECT id FROM series WHERE resource_id = ?1 AND metric = ?2 AND attributes = ?3
                 AND scope_name = ?4 AND scope_version = ?5 AND scope_attributes = ?6
                 AND unit = ?7 AND kind = ?8 AND temporality = ?9 AND monotonic = ?10",
            )?
            .query_row(identity, |row| row.get(0))
            .optional()?;
        if known.is_some() {
            return Ok(known);
        }
        if self.series_count(run)? >= SERIES_MAX_PER_RUN {
            return Ok(None);
        }
        self.transaction
            .prepare_cached(
                "INSERT INTO series (resource_id, metric, attributes, scope_name, scope_version,
                                     scope_attributes, unit, kind, temporality, monotonic)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(identity)?;
        *self.series.entry(run).or_default() += 1;
        Ok(Some(self.transaction.last_insert_rowid()))
    }

    fn series_count(&mut self, run: i64) -> rusqlite::Result<u64> {
        if let Some(&count) = self.series.get(&run) {
            return Ok(count);
        }
        let count = self
            .transaction
            .prepare_cached(
                "SELECT count(*) FROM series JOIN resource ON resource.id = resource_id WHERE run_id = ?1",
            )?
            .query_row([run], |row| row.get(0))?;
        self.series.insert(run, count);
        Ok(count)
    }

    /// Deltas are all kept. Of cumulative points with one start the latest says everything, and of
    /// gauges the latest is all that is asked for; so those replace what they make obsolete.
    fn point(&mut self, series: i64, metric: &MetricPoints, point: &Point) -> rusqlite::Result<()> {
        let replaced = match metric.temporality {
            Temporality::Delta => None,
            Temporality::Instant => self.latest(series, None)?,
            Temporality::Cumulative => self.latest(series, Some(point.start_unix_ns))?,
        };
        let Some((id, latest, value)) = replaced else {
            return self.insert(series, point);
        };
        if integer(point.time_unix_ns) <= latest {
            self.appended.repeated += 1;
            return Ok(());
        }
        let counts = metric.monotonic || !matches!(metric.kind, Kind::Sum | Kind::Gauge);
        if !(counts && total::is_reset(&value, &point.value)) {
            self.transaction
                .prepare_cached("DELETE FROM point WHERE id = ?1")?
                .execute([id])?;
        }
        self.insert(series, point)
    }

    fn latest(
        &self,
        series: i64,
        start: Option<u64>,
    ) -> rusqlite::Result<Option<(i64, i64, Value)>> {
        self.transaction
            .prepare_cached(
                "SELECT id, time_unix_ns, value_int, value_double, count, sum, min, max,
                        scale, zero_count, zero_threshold, bounds, buckets
                 FROM point WHERE series_id = ?1 AND (?2 IS NULL OR start_unix_ns = ?2)
                 ORDER BY time_unix_ns DESC LIMIT 1",
            )?
            .query_row(params![series, start.map(integer)], |row| {
                Ok((row.get(0)?, row.get(1)?, row::value(row, 2)?))
            })
            .optional()
    }

    /// Adds to the one point of a series whose points are made here, of what came in pieces.
    fn accumulate(
        &self,
        series: i64,
        [mut start, mut time]: [u64; 2],
        mut value: Value,
    ) -> rusqlite::Result<()> {
        let known: Option<(i64, u64, u64, Value)> = self
            .transaction
            .prepare_cached(
                "SELECT id, start_unix_ns, time_unix_ns, value_int, value_double, count, sum, min, max,
                        scale, zero_count, zero_threshold, bounds, buckets
                 FROM point WHERE series_id = ?1 LIMIT 1",
            )?
            .query_row([series], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row::value(row, 3)?))
            })
            .optional()?;
        if let Some((id, known_start, known_time, known_value)) = known {
            (start, time) = (start.min(known_start), time.max(known_time));
            total::add(&mut value, &known_value);
            self.transaction
                .prepare_cached("DELETE FROM point WHERE id = ?1")?
                .execute([id])?;
        }
        insert_point(
            self.transaction,
            INSERT_POINT,
            series,
            [start, time],
            &value,
        )?;
        Ok(())
    }

    fn insert(&mut self, series: i64, point: &Point) -> rusqlite::Result<()> {
        let times = [point.start_unix_ns, point.time_unix_ns];
        let inserted = insert_point(self.transaction, INSERT_POINT, series, times, &point.value)?;
        if inserted == 0 {
            self.appended.repeated += 1;
        } else {
            self.appended.stored += 1;
        }
        Ok(())
    }
}

/// Opens the database at `path`, creating it or bringing its schema up to date where needed.
fn open(path: &Path) -> Result<Connection, Error> {
    let existed = std::fs::metadata(path).is_ok_and(|file| file.len() > 0);
    if existed {
        inspect(path)?;
    }
    let opening = |error| failed(path, OPENING, error);
    let mut connection = Connection::open(path).map_err(opening)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(opening)?;
    write_ahead(&connection).map_err(opening)?;
    connection
        .execute_batch("PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;")
        .map_err(opening)?;
    migrate(path, &mut connection)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Switches to the write-ahead log.
///
/// Of several that open a new file at once, SQLite refuses all but one without asking the busy handler, as they would
/// wait for each other; so the waiting is done here, as long as everywhere else.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    const PAUSE: Duration = Duration::from_millis(10);
    let mut attempts = BUSY_TIMEOUT.as_millis() / PAUSE.as_millis();
    loop {
        match connection.execute_batch("PRAGMA journal_mode = WAL;") {
            Err(error)
                if attempts > 0
                    && error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) =>
            {
                attempts -= 1;
                std::thread::sleep(PAUSE);
            }
            result => return result,
        }
    }
}

/// Looks at a file before anything may write to it: a foreign, damaged or newer one stays untouched.
fn inspect(path: &Path) -> Result<(), Error> {
    let doing = OPENING;
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .and_then(|connection| connection.busy_timeout(BUSY_TIMEOUT).map(|()| connection))
        .map_err(|error| failed(path, doing, error))?;
    let number = |pragma: &str| {
        connection
            .query_row(pragma, [], |row| row.get::<_, i64>(0))
            .map_err(|error| failed(path, doing, error))
    };
    // One transaction: another process may be making the file ours at this moment.
    let look = |statement: &str| {
        let done = connection.execute_batch(statement);
        done.map_err(|error| failed(path, doing, error))
    };
    look("BEGIN")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    let application = number("PRAGMA application_id")?;
    let version = number("PRAGMA user_version")?;
    look("COMMIT")?;
    if application != APPLICATION_ID && (application != 0 || version != 0 || tables != 0) {
        return Err(Error::not_ours(
            path,
            "it is the SQLite database of another program",
        ));
    }
    let known = known_version();
    if version > known {
        return Err(Error::newer_schema(path, version, known));
    }
    if std::fs::metadata(path).is_ok_and(|file| file.len() <= CHECKED_BYTES_MAX) {
        let verdict: String = connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(|error| failed(path, doing, error))?;
        if verdict != "ok" {
            return Err(Error::corrupt(path, verdict));
        }
    }
    Ok(())
}

/// Brings the schema up to date; of several processes that open a new file at once, one does it.
fn migrate(path: &Path, connection: &mut Connection) -> Result<(), Error> {
    let migrating = |error| failed(path, "migrating the schema of", error);
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(migrating)?;
    let version: i64 = transaction
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(migrating)?;
    if version > known_version() {
        return Err(Error::newer_schema(path, version, known_version()));
    }
    if version < known_version() {
        let done = usize::try_from(version).unwrap_or_default();
        for migration in MIGRATIONS.iter().skip(done) {
            transaction.execute_batch(migration).map_err(migrating)?;
        }
        transaction
            .pragma_update(None, "user_version", known_version())
            .map_err(migrating)?;
        transaction
            .pragma_update(None, "application_id", APPLICATION_ID)
            .map_err(migrating)?;
    }
    transaction.commit().map_err(migrating)
}

fn known_version() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}
