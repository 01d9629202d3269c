//! `docs/schema.md` names every table and column of the schema, and nothing else.

use std::collections::BTreeSet;

use khive_perf_analysis::store::{NewRun, Store, Target};
use rusqlite::Connection;

use crate::support::db_in;

#[test]
fn the_documented_schema_is_the_schema() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    drop(Store::open(db_in(&dir)).expect("a new database"));
    let connection = Connection::open(db_in(&dir)).expect("a database");
    let mut statement = connection
        .prepare(
            "SELECT tables.name, columns.name, lower(columns.type), columns.\"notnull\"
             FROM sqlite_schema AS tables JOIN pragma_table_info(tables.name) AS columns
             WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite_%'",
        )
        .expect("the schema");
    let found: BTreeSet<[String; 3]> = statement
        .query_map([], |row| {
            let not_null: bool = row.get(3)?;
            let kind: String = row.get(2)?;
            let kind = if not_null || kind == "integer" && row.get::<_, String>(1)? == "id" {
                kind
            } else {
                format!("{kind} or null")
            };
            Ok([row.get(0)?, row.get(1)?, kind])
        })
        .expect("columns")
        .collect::<Result<_, _>>()
        .expect("columns");

    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/schema.md");
    let text = std::fs::read_to_string(path).expect("the documentation");
    let mut documented = BTreeSet::new();
    let mut table = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("## Table `") {
            name.trim_end_matches('`').clone_into(&mut table);
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let ["", column, kind, meaning, ""] = cells[..]
            && let Some(column) = column.strip_prefix('`')
        {
            assert!(!meaning.is_empty(), "{table}.{column} says nothing");
            documented.insert([
                table.clone(),
                column.trim_end_matches('`').to_owned(),
                kind.to_owned(),
            ]);
        }
    }
    assert_eq!(documented, found);
}

#[test]
fn an_empty_file_is_migrated_and_a_database_opened_again_keeps_its_runs() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let db = db_in(&dir);
    std::fs::write(&db, b"").expect("an empty file");
    let run = NewRun {
        name: "kept".to_owned(),
        ..NewRun::default()
    };
    Store::open(&db)
        .expect("a new database")
        .create_run(&run)
        .expect("a run");
    let connection = Connection::open(&db).expect("a database");
    let pragma = |name: &str| {
        let read =
            connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, String>(0));
        let number =
            connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
        number.map_or_else(|_| read.expect("a word"), |number| number.to_string())
    };
    assert_eq!(pragma("application_id"), 0x6b68_7066.to_string());
    assert_eq!(pragma("user_version"), "5");
    assert_eq!(pragma("journal_mode"), "wal");
    let runs = Store::open(&db)
        .expect("the database")
        .runs()
        .expect("runs");
    assert_eq!(
        runs.iter().map(|run| run.name.as_str()).collect::<Vec<_>>(),
        ["kept"]
    );
}

/// The schema as it was when version 4 was new, and a run with one point.
const VERSION_4: [&str; 5] = [
    include_str!("../../src/store/migrations/0001_runs_series_points.sql"),
    include_str!("../../src/store/migrations/0002_history.sql"),
    include_str!("../../src/store/migrations/0003_totals.sql"),
    include_str!("../../src/store/migrations/0004_acknowledged.sql"),
    "INSERT INTO run (name, source, status, started_unix_ns) VALUES ('old', 'run', 'complete', 5);
     INSERT INTO resource (run_id, attributes) VALUES (1, '{\"service.name\":\"shop\"}');
     INSERT INTO series (resource_id, scope_name, scope_version, scope_attributes, metric, unit, kind,
                         temporality, monotonic, attributes)
     VALUES (1, '', '', '{}', 'khive.perf.function.calls', '{call}', 'sum', 'cumulative', 1,
             '{\"code.function.name\":\"shop::pay\"}');
     INSERT INTO point (series_id, start_unix_ns, time_unix_ns, value_int) VALUES (1, 5, 6, 42);
     PRAGMA user_version = 4; PRAGMA application_id = 1802006630;",
];

#[test]
fn a_database_of_version_4_keeps_its_runs_and_takes_spans() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let db = db_in(&dir);
    let connection = Connection::open(&db).expect("a database");
    for part in VERSION_4 {
        connection.execute_batch(part).expect("the old schema");
    }
    drop(connection);
    let store = Store::open(&db).expect("a database that can be brought up to date");
    let run = store.load(1).expect("the old run");
    assert_eq!(
        run.callsites
            .values()
            .map(|of| of.calls)
            .collect::<Vec<_>>(),
        [[42, 0, 0, 0]]
    );
    assert_eq!(store.spans(1).expect("no spans yet"), []);
    let spans = [crate::traces::spans_of("shop", &[("work", 1, None, 10)])];
    let appended = store.append_spans(Target::Run(1), &spans);
    assert_eq!(appended.expect("room for spans").stored, 1);
}
