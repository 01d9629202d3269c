//! What is kept and for how long: baselines, deletion, and points added up, in SQL.

use rusqlite::{ErrorCode, Transaction, TransactionBehavior};

use crate::error::Error;
use crate::points::Temporality;
use crate::store::SeriesTotal;
use crate::store::row::failed;
use crate::store::sqlite::Sqlite;
use crate::store::sqlite::insert::{INSERT_POINT, INSERT_TOTAL, insert_point};

impl Sqlite {
    pub(crate) fn delete_runs(&mut self, ids: &[i64]) -> Result<(), Error> {
        let deleting = |error| failed(&self.path, "deleting runs of", error);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(deleting)?;
        for id in ids {
            transaction
                .execute("DELETE FROM run WHERE id = ?1", [id])
                .map_err(deleting)?;
        }
        transaction.commit().map_err(deleting)?;
        for id in ids {
            self.series.remove(id);
        }
        Ok(())
    }

    /// Replaces the points of each delta series by their sum; returns how many points went.
    pub(crate) fn downsample(&mut self, ids: &[i64]) -> Result<u64, Error> {
        let totals = ids
            .iter()
            .map(|&id| self.series_with_ids(id))
            .collect::<Result<Vec<_>, _>>()?;
        let writing = |error| failed(&self.path, "adding up the points of", error);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(writing)?;
        let mut gone = 0;
        for (series, total) in totals.iter().flatten() {
            // Of all others there is one point for each start already.
            if total.temporality != Temporality::Delta {
                continue;
            }
            let deleted = transaction
                .prepare_cached("DELETE FROM point WHERE series_id = ?1")
                .and_then(|mut statement| statement.execute([series]))
                .map_err(writing)?;
            let times = [total.start_unix_ns, total.time_unix_ns];
            insert_point(&transaction, INSERT_POINT, *series, times, &total.value)
                .map_err(writing)?;
            gone += (deleted as u64).saturating_sub(1);
        }
        transaction.commit().map_err(writing)?;
        Ok(gone)
    }

    /// Keeps the totals of a complete run, so that its points need not be read again.
    ///
    /// Where another process has written since they were read, they are left for the next time.
    pub(super) fn keep_totals(
        &self,
        transaction: Transaction<'_>,
        run: i64,
        all: &[(i64, SeriesTotal)],
    ) -> Result<(), Error> {
        let write = || -> rusqlite::Result<()> {
            for (series, total) in all {
                let times = [total.start_unix_ns, total.time_unix_ns];
                insert_point(&transaction, INSERT_TOTAL, *series, times, &total.value)?;
            }
            transaction.execute("UPDATE run SET totalled = 1 WHERE id = ?1", [run])?;
            transaction.commit()
        };
        match write() {
            Err(error) if matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy)) => {
                Ok(())
            }
            result => result.map_err(|error| failed(&self.path, "keeping totals in", error)),
        }
    }

    pub(crate) fn baseline(&self) -> Result<Vec<i64>, Error> {
        let reading = |error| failed(&self.path, "reading the baseline of", error);
        let mut statement = self
            .connection
            .prepare_cached("SELECT run_id FROM baseline ORDER BY run_id")
            .map_err(reading)?;
        let rows = statement.query_map([], |row| row.get(0)).map_err(reading)?;
        rows.collect::<Result<_, _>>().map_err(reading)
    }

    pub(crate) fn set_baseline(&mut self, ids: &[i64]) -> Result<(), Error> {
        let writing = |error| failed(&self.path, "setting the baseline of", error);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(writing)?;
        transaction
            .execute("DELETE FROM baseline", [])
            .map_err(writing)?;
        for id in ids {
            transaction
                .execute("INSERT INTO baseline (run_id) VALUES (?1)", [id])
                .map_err(writing)?;
        }
        transaction.commit().map_err(writing)
    }
}
