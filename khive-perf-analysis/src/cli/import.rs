//! `khive-perf import`: what other tools wrote, and our own archives, as runs of this database.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use khive_perf_analysis::importers::{self, Imported, Naming, Tool};
use khive_perf_analysis::store::Store;

use crate::cli::{Failure, output};

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Files, criterion's directory `target/criterion`, or `-` for standard input.
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Who wrote them, where that cannot be seen: khive-perf, criterion, hyperfine, google-benchmark, jmh,
    /// pytest-benchmark or k6.
    #[arg(long, value_name = "TOOL", value_parser = tool)]
    from: Option<Tool>,
    /// Name of the runs, one for each path; by default the tool's. Runs of an archive have theirs.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

fn tool(word: &str) -> Result<Tool, String> {
    Tool::parse(word).ok_or_else(|| {
        let known = Tool::ALL.map(Tool::as_str);
        let near = known.iter().max_by(|a, b| {
            let like = |known: &str| strsim::jaro_winkler(known, word);
            like(a).total_cmp(&like(b))
        });
        let near = near.copied().unwrap_or_default();
        format!("there is no importer for `{word}`; did you mean `{near}`?")
    })
}

impl Import {
    pub(crate) fn execute(&self, db: &Path) -> Result<ExitCode, Failure> {
        let mut read = Vec::new();
        for path in &self.paths {
            read.push((path, self.read(path)?));
        }
        // All of it can be read, so it is worth a database.
        let store = Store::open(db)?;
        let runs: Vec<_> = read.iter().flat_map(|(_, of)| of.runs.clone()).collect();
        let restored = store.put_in(&runs)?;
        for (path, of) in &read {
            output::say(&said(path, of));
        }
        output::say(&format!(
            "{} runs imported into {}, {} were there already",
            restored.stored,
            db.display(),
            restored.repeated
        ));
        Ok(ExitCode::SUCCESS)
    }

    fn read(&self, path: &Path) -> Result<Imported, Failure> {
        let naming = Naming::now(self.name.as_deref().unwrap_or_default());
        let mut imported = if path == Path::new("-") {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            importers::parse(&text, self.from, &naming)
                .map_err(|wrong| format!("standard input, {}: {}", wrong.place, wrong.problem))?
        } else {
            importers::read(path, self.from, &naming)?
        };
        if self.name.is_none() {
            let tool = imported.tool.as_str();
            for run in imported.runs.iter_mut().filter(|run| run.name.is_empty()) {
                run.name = tool.to_owned();
            }
        }
        Ok(imported)
    }
}

/// What was found in a file.
fn said(path: &Path, imported: &Imported) -> String {
    let Imported {
        tool,
        runs,
        benchmarks,
        summaries,
    } = imported;
    let (path, tool) = (path.display(), tool.as_str());
    let runs = runs.len();
    let mut said = format!("{path}: {runs} runs of {tool}, {benchmarks} series");
    if *summaries > 0 {
        said.push_str(&format!(
            "; {summaries} have a mean and no samples: it counts as one measurement, and says nothing of quantiles"
        ));
    }
    said
}
