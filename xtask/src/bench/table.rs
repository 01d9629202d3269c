//! Tables of what was measured, in Markdown that can be read as it is.

use crate::bench::figure::{Figure, Figures, Of};

/// Configurations, and what their columns are called.
pub(super) const CONFIGURATIONS: [(&str, &str); 5] = [
    ("static-off", "static off"),
    ("off", "off"),
    ("every-call", "every call"),
    ("default", "default"),
    ("exporter", "default, exporter"),
];

/// Columns of equal width.
pub(super) struct Table {
    lines: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new<S: Into<String>>(header: impl IntoIterator<Item = S>) -> Self {
        Self {
            lines: vec![header.into_iter().map(Into::into).collect()],
        }
    }

    pub(super) fn line(&mut self, cells: Vec<String>) {
        self.lines.push(cells);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.len() < 2
    }

    pub(super) fn text(&self) -> String {
        let columns = self.lines.first().map_or(0, Vec::len);
        let width = |column: usize| {
            let cells = self.lines.iter().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for (at, line) in self.lines.iter().enumerate() {
            let cells = line.iter().zip(&widths).enumerate();
            let cells = cells.map(|(column, (cell, width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            text.push_str(&format!("| {} |\n", cells.collect::<Vec<_>>().join(" | ")));
            if at == 0 {
                let rules = widths
                    .iter()
                    .enumerate()
                    .map(|(column, width)| match column {
                        0 => "-".repeat(*width),
                        _ => format!("{}:", "-".repeat(width.saturating_sub(1))),
                    });
                text.push_str(&format!("| {} |\n", rules.collect::<Vec<_>>().join(" | ")));
            }
        }
        text
    }
}

/// The machine's own operations.
pub(super) fn ruler(figures: &Figures) -> Table {
    let mut table = Table::new(["the machine's own", "ns"]);
    let of = Of {
        bench: "ruler",
        configuration: "default",
        peer: "",
        row: "ruler",
    };
    if let Some(floor) = figures.case(of, "clock pair") {
        table.line(vec![
            "clock pair: the floor".into(),
            nanoseconds(floor.cost.value),
        ]);
    }
    for (row, case) in figures.subjects("ruler") {
        let Some(figure) = figures.case(Of { row, ..of }, case) else {
            continue;
        };
        let (name, cell) = if row == of.row {
            (case.to_owned(), nanoseconds(figure.cost.value))
        } else {
            let name = row.strip_prefix("ruler: ").unwrap_or(row);
            (
                format!("{name}: {case}"),
                format!("{:.2} × 1 thread", figure.ratio.value),
            )
        };
        table.line(vec![name, cell]);
    }
    table
}

/// Every operation of the SDK by configuration: what it costs, and how often the floor that is.
pub(super) fn operations(figures: &Figures) -> Table {
    let names = CONFIGURATIONS.iter().map(|(_, name)| (*name).to_owned());
    let mut table = Table::new(
        ["operation".to_owned(), "plain".to_owned()]
            .into_iter()
            .chain(names),
    );
    for (row, case) in figures.subjects("sdk") {
        let of = |configuration| Of {
            bench: "sdk",
            configuration,
            peer: "",
            row,
        };
        let base = figures
            .0
            .iter()
            .find(|figure| figure.bench == "sdk" && figure.row == row && figure.role == "base");
        let base = base.map_or_else(String::new, |base| nanoseconds(base.time.value));
        let mut cells = vec![format!("{row}: {case}"), base];
        for (configuration, _) in CONFIGURATIONS {
            let of = of(configuration);
            let figure = figures.case(of, case);
            cells.push(figure.map_or_else(|| "-".into(), |figure| cell(figures, of, figure)));
        }
        table.line(cells);
    }
    table
}

/// Beside the floor as its multiple, else the ideal's; where a row has neither, as a multiple of its base.
fn cell(figures: &Figures, of: Of<'_>, figure: &Figure) -> String {
    let cost = nanoseconds(figure.cost.value);
    let times = |role| figures.times(of, &figure.case, role);
    match (times("floor"), times("ideal")) {
        (Some(floor), _) => format!("{cost} ({floor:.2} × floor)"),
        (None, Some(ideal)) => format!("{cost} ({ideal:.2} × ideal)"),
        (None, None) if figures.case(of, "plain").is_some() => cost,
        (None, None) => format!("{:.3} × base", figure.ratio.value),
    }
}

/// Rows in which other libraries stand beside ours.
const PEER_ROWS: [(&str, &str); 3] = [
    ("empty function", "empty"),
    ("1 µs function", "1 µs"),
    ("future, one yield, current-thread runtime", "future"),
];

/// Each other library beside ours in the same run.
pub(super) fn peers(figures: &Figures) -> Table {
    let mut header = vec!["library".to_owned()];
    for (_, name) in PEER_ROWS {
        let columns = ["", ", ours, every call", ", ours, default"];
        header.extend(columns.map(|of| format!("{name}{of}")));
    }
    header.extend(["2 threads / 1".to_owned(), "ours".to_owned()]);
    let mut table = Table::new(header);
    for peer in figures.peers() {
        let of = |configuration, row| Of {
            bench: "peers",
            configuration,
            peer,
            row,
        };
        let cost = |configuration, row, case| {
            let figure = figures.case(of(configuration, row), case);
            figure.map_or_else(|| "-".into(), |figure| nanoseconds(figure.cost.value))
        };
        let mut cells = vec![peer.to_owned()];
        for (row, _) in PEER_ROWS {
            cells.push(cost("every-call", row, "peer"));
            cells.push(cost("every-call", row, "measure"));
            cells.push(cost("default", row, "measure"));
        }
        for row in ["2 threads: peer", "2 threads: measure"] {
            let figure = figures.case(of("every-call", row), "2 threads");
            cells.push(
                figure.map_or_else(|| "-".into(), |figure| format!("{:.2}", figure.ratio.value)),
            );
        }
        table.line(cells);
    }
    table
}

/// With the digits that mean something, and in the unit that fits.
pub(super) fn nanoseconds(value: f64) -> String {
    match value.abs() {
        1_000_000.0.. => format!("{:.1} ms", value / 1e6),
        10_000.0.. => format!("{:.1} µs", value / 1e3),
        100.0.. => format!("{value:.0}"),
        _ => format!("{value:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figure::read;
    use crate::bench::figure::tests::line;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["a", "ns"]);
        table.line(vec!["µ-long".into(), "1".into()]);
        assert_eq!(
            table.text(),
            "| a      | ns |\n| ------ | -: |\n| µ-long |  1 |\n"
        );
    }

    #[test]
    fn a_row_tells_each_configuration_or_that_it_is_missing() {
        let mut lines = Vec::new();
        for configuration in ["off", "every-call"] {
            lines.push(line(configuration, "", "empty", ("plain", "base"), 0.0));
            lines.push(line(
                configuration,
                "",
                "empty",
                ("clock pair", "floor"),
                20.0,
            ));
        }
        lines.push(line(
            "every-call",
            "",
            "empty",
            ("measure", "subject"),
            22.0,
        ));
        let figures = Figures(read(&lines.join("\n")).expect("our own"));
        let text = operations(&figures).text();
        let last = text.lines().last().unwrap_or_default();
        let cells: Vec<_> = last.split('|').map(str::trim).collect();
        assert_eq!(
            cells[1..8],
            [
                "empty: measure",
                "10.0",
                "-",
                "-",
                "22.0 (1.10 × floor)",
                "-",
                "-"
            ]
        );
    }

    #[test]
    fn a_peer_stands_beside_ours_of_the_same_run() {
        let lines = [
            line(
                "every-call",
                "other",
                "empty function",
                ("peer", "subject"),
                60.0,
            ),
            line(
                "every-call",
                "other",
                "empty function",
                ("measure", "subject"),
                20.0,
            ),
            line(
                "default",
                "other",
                "empty function",
                ("measure", "subject"),
                1.5,
            ),
        ];
        let figures = Figures(read(&lines.join("\n")).expect("our own"));
        let text = peers(&figures).text();
        let last = text.lines().last().unwrap_or_default();
        let cells: Vec<_> = last.split('|').map(str::trim).collect();
        assert_eq!(cells[1..6], ["other", "60.0", "20.0", "1.5", "-"]);
    }

    #[test]
    fn times_are_told_in_the_unit_that_fits() {
        let told = [0.04, 33.72, 1_722.6, 88_000.0, 191_484_219.2].map(nanoseconds);
        assert_eq!(told, ["0.0", "33.7", "1723", "88.0 µs", "191.5 ms"]);
    }
}
