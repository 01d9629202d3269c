//! criterion.rs' directory: in each benchmark's `new`, the sample and what the benchmark is called.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::importers::samples::Samples;
use crate::importers::{BadFile, Imported, Naming, Node, Tool, Wrong, times};

/// How deep benchmarks lie: group, function, value, `new`.
const DEPTH_MAX: usize = 8;

pub(super) fn read(directory: &Path, naming: &Naming) -> Result<Imported, BadFile> {
    let mut found = Vec::new();
    find(directory, DEPTH_MAX, &mut found).map_err(|error| BadFile {
        path: directory.to_owned(),
        place: String::new(),
        problem: error.to_string(),
    })?;
    found.sort();
    let written = found
        .iter()
        .filter_map(|new| fs::metadata(new.join("sample.json")).ok());
    let naming = match written.max_by_key(|file| file.modified().ok()) {
        Some(latest) => naming.when_written(&latest),
        None => naming.clone(),
    };
    let mut samples = Samples::default();
    for new in &found {
        let (benchmark, sample) = (new.join("benchmark.json"), new.join("sample.json"));
        let at = |path: &Path| {
            let path = path.to_owned();
            move |Wrong { place, problem }| BadFile {
                path,
                place,
                problem,
            }
        };
        let named = json_of(&benchmark).map_err(at(&benchmark))?;
        let named = Node::root(&named);
        let name = named.need("full_id").and_then(|id| id.text());
        let name = name.map_err(at(&benchmark))?.to_owned();
        let sample_json = json_of(&sample).map_err(at(&sample))?;
        let seconds = per_iteration(&Node::root(&sample_json)).map_err(at(&sample))?;
        samples.add("", &name, &seconds);
    }
    if found.is_empty() {
        return Err(BadFile {
            path: directory.to_owned(),
            place: String::new(),
            problem: "has no benchmark of criterion below it; run `cargo bench` first, and name `target/criterion`".to_owned(),
        });
    }
    samples
        .resource
        .insert("telemetry.sdk.language".to_owned(), json!("rust"));
    samples
        .into_run(Tool::Criterion, &naming)
        .map_err(|Wrong { place, problem }| BadFile {
            path: directory.to_owned(),
            place,
            problem,
        })
}

/// The directories `new` that have a sample.
fn find(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        // A link may lead back.
        if !entry.file_type()?.is_dir() {
            continue;
        }
        let path = entry.path();
        if entry.file_name() == "new" && path.join("sample.json").is_file() {
            found.push(path);
        } else if depth > 0 {
            find(&path, depth - 1, found)?;
        }
    }
    Ok(())
}

fn json_of(path: &Path) -> Result<Json, Wrong> {
    let text = fs::read_to_string(path).map_err(|error| Wrong::at("", error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| Wrong::of_json(&error))
}

/// Of each sample, the time of one iteration in seconds.
fn per_iteration(sample: &Node<'_>) -> Result<Vec<f64>, Wrong> {
    let iterations = sample.need("iters")?;
    let seconds = times(&sample.need("times")?, 1e9)?;
    let counts = times(&iterations, 1.0)?;
    if counts.len() != seconds.len() || counts.contains(&0.0) {
        let problem = "does not fit `times`: as many, and none of them 0";
        return Err(Wrong::at(&iterations.path, problem));
    }
    let pairs = seconds.iter().zip(&counts);
    Ok(pairs.map(|(seconds, count)| seconds / count).collect())
}
