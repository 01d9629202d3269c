//! The tables that tidy keeps: layers, doors to other crates, files that may hold unsafe code.

/// The layers of one package and what its modules may name.
pub(super) struct Layers {
    /// The package's directory.
    pub(super) package: &'static str,
    /// Top-level modules by row: a module may name modules on rows with a smaller number.
    pub(super) rows: &'static [&'static [&'static str]],
    /// Paths of other crates that only the named places may name.
    pub(super) doors: &'static [Door],
    /// Paths that the named places must not name, whatever the rows say.
    pub(super) walls: &'static [Wall],
}

/// Only `places` may name `path`. A place is a file or a directory below `src`, or a module.
pub(super) struct Door {
    pub(super) path: &'static str,
    pub(super) places: &'static [&'static str],
    pub(super) because: &'static str,
}

/// `places` must not name `paths`.
pub(super) struct Wall {
    pub(super) places: &'static [&'static str],
    pub(super) paths: &'static [&'static str],
    pub(super) because: &'static str,
}

/// What `std` offers to reach the world outside the process, and the clocks.
const OUTSIDE: &[&str] = &[
    "std::fs",
    "std::io",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "tokio",
    "tonic",
    "hyper",
    "hyper_util",
    "axum",
    "rusqlite",
    "clap",
];

pub(super) const LAYERS: &[Layers] = &[
    Layers {
        package: "khive-perf",
        rows: &[
            &["sync", "attributes", "outcome", "ids", "process", "symbols"],
            &["config", "clock", "error"],
            &["callsite", "stats", "heap", "exemplars"],
            &["recorder"],
            &["registry"],
            &["snapshot", "tracer"],
            &["span", "context", "report", "alloc"],
            &["layer", "trace"],
            &["testing", "future_ext", "leak", "private", "__private"],
        ],
        doors: &[
            Door {
                path: "std::sync::atomic",
                places: &["sync.rs"],
                because: "`sync.rs` is the only door to atomics, so that a model checker can take their place",
            },
            Door {
                path: "core::sync::atomic",
                places: &["sync.rs"],
                because: "`sync.rs` is the only door to atomics, so that a model checker can take their place",
            },
            Door {
                path: "std::time::Instant",
                places: &["clock.rs", "clock"],
                because: "`clock` is the only reader of the machine's clocks",
            },
            Door {
                path: "std::time::SystemTime",
                places: &["clock.rs", "clock"],
                because: "`clock` is the only reader of the machine's clocks",
            },
        ],
        walls: &[Wall {
            places: &["stats"],
            paths: OUTSIDE,
            because: "stats is arithmetic: no clock and no input or output",
        }],
    },
    Layers {
        package: "khive-perf-otel",
        rows: &[
            &["error", "clock", "signal"],
            &["env", "delivery", "retry", "encode"],
            &["tls"],
            &["config", "transport"],
            &["worker"],
            &["exporter"],
        ],
        doors: &[],
        walls: &[Wall {
            places: &["encode"],
            paths: OUTSIDE,
            because: "encode is a function from a snapshot to a request",
        }],
    },
    Layers {
        package: "khive-perf-analysis",
        rows: &[
            &["model", "error", "clock", "percent"],
            &["points", "stats"],
            &["store", "detect"],
            &["receiver", "report", "recommend"],
            &["run", "config", "importers", "pages"],
            &["cli"],
        ],
        doors: &[
            Door {
                path: "opentelemetry_proto",
                places: &["receiver"],
                because: "only the receiver knows OTLP",
            },
            Door {
                path: "rusqlite",
                places: &["store/sqlite", "store/row.rs"],
                because: "only `store/sqlite` and its row mapping know SQLite",
            },
        ],
        walls: &[
            Wall {
                places: &["model", "stats", "detect"],
                paths: OUTSIDE,
                because: "model, stats and detect take values and return values",
            },
            Wall {
                places: &["report"],
                paths: &["crate::store", "crate::points", "crate::stats"],
                because: "a report is written from model and detect alone",
            },
        ],
    },
];

/// Modules of the core that the exporter may name, besides the types at its root.
pub(super) const CORE_FOR_EXPORTER: &[&str] = &[
    "snapshot", "stats", "report", "leak", "process", "testing", "trace",
];

/// A package and the packages it must never depend on, in any table of its manifest.
pub(super) const STRANGERS: &[(&str, &[&str])] = &[
    (
        "khive-perf-macros",
        &["khive-perf", "khive-perf-otel", "khive-perf-analysis"],
    ),
    ("khive-perf", &["khive-perf-otel", "khive-perf-analysis"]),
    ("khive-perf-otel", &["khive-perf-analysis"]),
    (
        "khive-perf-analysis",
        &["khive-perf", "khive-perf-macros", "khive-perf-otel"],
    ),
];

/// Statements that give SQL away when they open a string, and the one place for them.
pub(super) const SQL: &[&str] = &[
    "SELECT ",
    "INSERT ",
    "UPDATE ",
    "DELETE FROM",
    "CREATE TABLE",
    "CREATE INDEX",
    "CREATE UNIQUE",
    "ALTER TABLE",
    "DROP TABLE",
    "PRAGMA ",
];

/// Where SQL may stand, below `khive-perf-analysis/src`.
pub(super) const SQL_PLACES: &[&str] = &["store/sqlite"];

/// Files that may contain `unsafe`; a name that ends in `/` stands for a directory.
pub(super) const UNSAFE_FILES: &[&str] = &[
    "khive-perf/src/alloc/",
    "khive-perf/src/heap/",
    "khive-perf/src/callsite.rs",
    "khive-perf/src/callsite/",
    "khive-perf/src/clock.rs",
    "khive-perf/src/clock/",
    "khive-perf/src/context.rs",
    "tests/global/heap_stress.rs",
    "tests/global/measured_allocator.rs",
    "tests/global/memory.rs",
    "tests/lints/src/",
    "tests/loom/models/",
    "benches/allocators/src/bin/",
    "benches/clock.rs",
    "benches/sdk/allocator.rs",
    "khive-perf/src/layer/table.rs",
    "khive-perf/src/process/usage.rs",
    "khive-perf/src/recorder/",
    "khive-perf/src/registry/",
    "khive-perf/src/span/",
    "khive-perf/src/sync.rs",
    "khive-perf/src/tracer/active.rs",
];

/// Longest file in lines, comments and tests included.
pub(super) const LINES_MAX: usize = 800;

/// Source that is the input or the golden output of a test, not a part of a program.
pub(super) fn is_fixture(path: &str) -> bool {
    path.split('/')
        .any(|part| matches!(part, "expand" | "expansions" | "fixtures" | "ui"))
}
