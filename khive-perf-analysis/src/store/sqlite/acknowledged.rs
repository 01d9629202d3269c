//! Findings that somebody has looked at and wants left alone, in SQL.

use std::collections::BTreeMap;

use rusqlite::params;

use crate::clock;
use crate::error::Error;
use crate::store::row::{failed, integer};
use crate::store::sqlite::Sqlite;

impl Sqlite {
    pub(crate) fn acknowledge(&self, finding: &str, because: &str) -> Result<(), Error> {
        self.connection
            .execute(
                "INSERT INTO acknowledged (finding, because, time_unix_ns) VALUES (?1, ?2, ?3)
                 ON CONFLICT (finding) DO UPDATE SET because = excluded.because",
                params![finding, because, integer(clock::unix_now_ns())],
            )
            .map_err(|error| failed(&self.path, "acknowledging in", error))?;
        Ok(())
    }

    pub(crate) fn forget(&self, finding: &str) -> Result<bool, Error> {
        let forgotten = self
            .connection
            .execute("DELETE FROM acknowledged WHERE finding = ?1", [finding])
            .map_err(|error| failed(&self.path, "forgetting in", error))?;
        Ok(forgotten > 0)
    }

    pub(crate) fn acknowledged(&self) -> Result<BTreeMap<String, String>, Error> {
        let reading = |error| failed(&self.path, "reading what is acknowledged in", error);
        let mut statement = self
            .connection
            .prepare_cached("SELECT finding, because FROM acknowledged ORDER BY finding")
            .map_err(reading)?;
        let rows = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(reading)?;
        rows.collect::<Result<_, _>>().map_err(reading)
    }
}
