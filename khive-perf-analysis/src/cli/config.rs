//! `khive-perf config`: looks at the configuration, or begins one.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use khive_perf_analysis::config::{self, Effective};
use khive_perf_analysis::detect::rules::Callsites;

use crate::cli::{Failure, output};

/// Where the configuration is, and which part of it holds.
#[derive(Debug, Args)]
pub(crate) struct Configured {
    /// The configuration; khive-perf.toml, .yaml or .yml in the working directory, if there is one.
    #[arg(long = "config", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Environment of the configuration that holds.
    #[arg(long, env = "KHIVE_PERF_ENVIRONMENT", value_name = "NAME")]
    environment: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Say whether the configuration is one.
    Check(Configured),
    /// Print what holds, with everything that was left unsaid.
    Show(Configured),
    /// Write a configuration to start from; never over one that is there.
    Init {
        /// Where it is written.
        #[arg(long = "config", value_name = "FILE", default_value = config::FILES[0])]
        file: PathBuf,
    },
}

impl Configured {
    /// The file, if one is named or there is one.
    fn path(&self) -> Result<Option<PathBuf>, Failure> {
        if let Some(file) = &self.file {
            return Ok(Some(file.clone()));
        }
        let mut found = config::FILES
            .iter()
            .map(Path::new)
            .filter(|path| path.exists());
        match (found.next(), found.next()) {
            (Some(one), Some(other)) => Err(format!(
                "{} and {} are both there; name one with --config, or delete one",
                one.display(),
                other.display()
            )
            .into()),
            (one, _) => Ok(one.map(Path::to_owned)),
        }
    }

    /// What holds; nothing is said where there is no file.
    pub(crate) fn effective(&self) -> Result<Effective, Failure> {
        let environment = self.environment.as_deref().filter(|name| !name.is_empty());
        match (self.path()?, environment) {
            (Some(path), environment) => Ok(config::read(&path)?.in_environment(environment)?),
            (None, None) => Ok(Effective::default()),
            (None, Some(name)) => Err(format!(
                "environment `{name}` is asked for, and there is no configuration; `khive-perf config init` begins one"
            )
            .into()),
        }
    }
}

impl Config {
    pub(crate) fn execute(&self) -> Result<ExitCode, Failure> {
        match &self.what {
            What::Check(configured) => {
                configured.effective()?;
                output::answer(&match configured.path()? {
                    Some(path) => format!("{} is fine", path.display()),
                    None => "there is no configuration; the defaults hold".to_owned(),
                })?;
            }
            What::Show(configured) => {
                output::answer(&show(&configured.effective()?.for_gate()))?;
            }
            What::Init { file } => {
                let new = OpenOptions::new().write(true).create_new(true).open(file);
                new.and_then(|mut new| new.write_all(config::EXAMPLE.as_bytes()))
                    .map_err(|why| format!("{}: {why}", file.display()))?;
                output::say(&format!("wrote {}", file.display()));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Which callsites a rule is for.
fn which(of: &Callsites) -> String {
    let of = [
        ("service", &of.service),
        ("group", &of.group),
        ("name", &of.name),
    ];
    let of = of
        .into_iter()
        .filter_map(|(key, value)| Some(format!("{key} {}", value.as_ref()?)));
    of.collect::<Vec<String>>().join(", ")
}

/// What holds, as tables.
fn show(effective: &Effective) -> String {
    use khive_perf_analysis::detect::settings::{CONFIDENCE, MIN_EFFECT};
    let percent = |share: f64| format!("{} %", share * 100.0);
    let fail_on = effective
        .fail_on
        .map_or("minor", |severity| severity.as_str());
    let mut rows = vec![
        vec![
            "confidence".to_owned(),
            effective.confidence.unwrap_or(CONFIDENCE).to_string(),
        ],
        vec!["fail_on".to_owned(), fail_on.to_owned()],
        vec![
            "min_effect".to_owned(),
            percent(effective.min_effect.unwrap_or(MIN_EFFECT)),
        ],
    ];
    for floor in &effective.rules.floors {
        rows.push(vec![
            format!("min_effect of {}", which(&floor.of)),
            percent(floor.min_effect),
        ]);
    }
    for decider in &effective.rules.deciders {
        let measures: Vec<&str> = decider.measures.iter().map(|it| it.as_str()).collect();
        rows.push(vec![
            format!("decides of {}", which(&decider.of)),
            measures.join(", "),
        ]);
    }
    rows.extend(
        effective
            .limits()
            .into_iter()
            .map(|(of, limit)| vec![of, limit]),
    );
    output::table(&rows)
}
