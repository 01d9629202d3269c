//! Steps: what a workflow runs, read from its file.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// A workflow as it is written.
pub(super) struct Workflow(Value);

/// One step that runs a script.
pub(super) struct Step {
    pub(super) name: String,
    pub(super) script: String,
    /// Whether it is run after a failure, too.
    pub(super) is_always: bool,
    /// Whether it is run for pull requests only.
    pub(super) is_of_changes: bool,
}

impl Workflow {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
        let read = serde_norway::from_str(&text);
        Ok(Self(read.with_context(|| format!("{}", path.display()))?))
    }

    /// Fails unless it is run on each of these.
    pub(super) fn must_run_on(&self, triggers: &[&str]) -> Result<()> {
        let on = self.0.get("on").context("the workflow is run on nothing")?;
        for trigger in triggers {
            if on.get(trigger).is_none() {
                bail!("the workflow is not run on `{trigger}`");
            }
        }
        Ok(())
    }

    /// The steps of a job that run a script, in order.
    pub(super) fn steps(&self, job: &str) -> Result<Vec<Step>> {
        let steps = self.0.pointer(&format!("/jobs/{job}/steps"));
        let steps = steps.and_then(Value::as_array);
        let steps = steps.with_context(|| format!("there is no job `{job}` with steps"))?;
        let text = |step: &Value, key: &str| {
            let value = step.get(key).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        let scripts = steps.iter().filter(|step| step.get("run").is_some());
        Ok(scripts
            .map(|step| Step {
                name: text(step, "name"),
                script: text(step, "run"),
                is_always: text(step, "if").contains("always()"),
                is_of_changes: text(step, "if").contains("event_name == 'pull_request'"),
            })
            .collect())
    }
}
