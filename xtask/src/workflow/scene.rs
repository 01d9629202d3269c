//! Scene: a directory as a job has it, with a history of two commits and stand-ins for what is foreign.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// What a commit's service is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// As it should be.
    Well,
    /// A function got slower.
    Slow,
    /// It sends nothing.
    Silent,
    /// It cannot be built with what the workflow builds.
    Unmeasured,
    /// It says that it is of another machine.
    Elsewhere,
    /// There is no such commit.
    Missing,
}

pub(super) struct Scene {
    directory: PathBuf,
}

/// Runs of each side: few, as this shows that the steps work, and not how well they judge.
const RUNS: &str = "6";

impl Side {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Slow => "slow",
            Self::Silent => "silent",
            Self::Unmeasured => "unmeasured",
            Self::Elsewhere => "elsewhere",
            Self::Missing => "missing",
        }
    }
}

impl Scene {
    /// A new one, in place of the one before.
    pub(super) fn set(root: &Path, base: Side, head: Side) -> Result<Self> {
        let directory = root.join("target/workflow");
        if directory.exists() {
            fs::remove_dir_all(&directory).context("the scene before")?;
        }
        let scene = Self { directory };
        scene.history(root, base, head)?;
        let built = root.join("target/release");
        let built = built.display();
        scene.program(
            "bin/cargo",
            &format!("#!/usr/bin/env bash\nbuilt='{built}'\n{CARGO}"),
        )?;
        scene.program("bin/gh", GH)?;
        Ok(scene)
    }

    /// Two commits, the first a day and more old; each has what its service is like in a file.
    fn history(&self, root: &Path, base: Side, head: Side) -> Result<()> {
        let workload = fs::read_to_string(root.join(".github/workload.sh"))?;
        self.write("head/.github/workload.sh", &workload)?;
        self.git(&["init", "-q", "-b", "main"], 0)?;
        for (side, hours) in [(base, 48), (head, 1)] {
            if side == Side::Missing {
                continue;
            }
            self.write("head/service", &format!("{} {hours}\n", side.as_str()))?;
            self.git(&["add", "-A"], hours)?;
            self.git(&["commit", "-q", "-m", side.as_str()], hours)?;
        }
        Ok(())
    }

    fn git(&self, arguments: &[&str], hours_ago: u32) -> Result<()> {
        let when = format!("{hours_ago} hours ago");
        let date = Command::new("date").args(["-R", "-d", &when]).output()?;
        let date = String::from_utf8_lossy(&date.stdout).trim().to_owned();
        let status = Command::new("git")
            .arg("-C")
            .arg(self.directory.join("head"))
            .args([
                "-c",
                "user.name=nobody",
                "-c",
                "user.email=nobody@example.org",
            ])
            .args(arguments)
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_DATE", &date)
            .status()
            .context("cannot start `git`")?;
        if !status.success() {
            bail!("git {} failed", arguments.join(" "));
        }
        Ok(())
    }

    /// What a job of this event has in its environment.
    pub(super) fn variables(&self, event: &str) -> Result<Vec<(&'static str, String)>> {
        let base = Command::new("git")
            .arg("-C")
            .arg(self.directory.join("head"))
            .args(["rev-parse", "--verify", "--quiet", "HEAD~1"])
            .output()?;
        let base = String::from_utf8_lossy(&base.stdout).trim().to_owned();
        // Of a first push, GitHub says a commit of zeros.
        let base = if base.is_empty() {
            "0".repeat(40)
        } else {
            base
        };
        let fail_on = if event == "pull_request" {
            "minor"
        } else {
            "critical"
        };
        let summary = self.directory.join("summary.md").display().to_string();
        let path = std::env::var("PATH").unwrap_or_default();
        let bin = self.directory.join("bin");
        Ok(vec![
            ("EVENT", event.to_owned()),
            ("BASE", base),
            ("NUMBER", "7".to_owned()),
            ("RUNS", RUNS.to_owned()),
            ("FAIL_ON", fail_on.to_owned()),
            ("KHIVE_PERF_DB", "perf.sqlite".to_owned()),
            ("GITHUB_STEP_SUMMARY", summary),
            ("REPOSITORY", "owner/name".to_owned()),
            ("GH_TOKEN", String::new()),
            ("PATH", format!("{}:{path}", bin.display())),
        ])
    }

    /// Runs a script as GitHub does, and returns its exit code; what it says is in the log.
    pub(super) fn run(&self, script: &str, variables: &[(&'static str, String)]) -> Result<i32> {
        self.write("step.sh", script)?;
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.directory.join("log"))?;
        let status = Command::new("bash")
            .args(["--noprofile", "--norc", "-e", "-o", "pipefail", "step.sh"])
            .current_dir(&self.directory)
            .env_remove("KHIVE_PERF_ENVIRONMENT")
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdout(log.try_clone()?)
            .stderr(log)
            .status()
            .context("cannot start `bash`")?;
        status.code().context("a step was ended by a signal")
    }

    /// The end of what the steps have said.
    pub(super) fn log(&self) -> Result<String> {
        const LINES: usize = 40;
        let text = self.read("log")?;
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(LINES);
        Ok(format!("the log ends:\n{}", lines[from..].join("\n")))
    }

    pub(super) fn read(&self, file: &str) -> Result<String> {
        fs::read_to_string(self.directory.join(file)).with_context(|| format!("no `{file}`"))
    }

    pub(super) fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = self.directory.join(file);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, text).with_context(|| format!("cannot write `{file}`"))
    }

    fn program(&self, file: &str, text: &str) -> Result<()> {
        self.write(file, text)?;
        let path = self.directory.join(file);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(())
    }
}

/// Hands out what was built; `service` in the working directory says what the service is like.
const CARGO: &str = r#"set -euo pipefail
if [ "$1" = install ]; then
    mkdir -p tools/bin
    cp "$built/khive-perf" tools/bin/
    exit 0
fi
[ "$1" = build ] || { echo "no stand-in for cargo $1" >&2; exit 101; }
read -r kind _ <service
[ "$kind" != unmeasured ] || { echo "error: package ID specification did not match any packages" >&2; exit 101; }
case "$kind" in
    slow) settings='' fault='--inject slow-session' ;;
    silent) settings='export KHIVE_PERF=off' fault='' ;;
    elsewhere) settings='export OTEL_RESOURCE_ATTRIBUTES=host.name=elsewhere' fault='' ;;
    *) settings='' fault='' ;;
esac
mkdir -p target/release/examples
printf '#!/usr/bin/env bash\n%s\nexec "%s" %s "$@"\n' "$settings" "$built/examples/demo_service" "$fault" >target/release/examples/demo_service
printf '#!/usr/bin/env bash\nexec "%s" --seconds 1.5 "$@"\n' "$built/examples/demo_load" >target/release/examples/demo_load
chmod +x target/release/examples/demo_service target/release/examples/demo_load
"#;

/// Notes what it is asked, and knows of the comment that `before` names.
const GH: &str = r#"#!/usr/bin/env bash
echo "$*" | tr '\n' ' ' >>asked
echo >>asked
case "$*" in
    *--paginate*) cat before ;;
esac
"#;
