//! What the installations share.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Runs an installer quietly; where it fails, its last words are the error.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{name}`"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("it said nothing");
    bail!("`{name}` failed ({}): {last}", output.status)
}

/// The Python of an environment with these packages, as arguments of `pip install`; made the first time.
pub(crate) fn packages(environment: &Path, packages: &[&str]) -> Result<PathBuf> {
    let python = environment.join("bin/python");
    let marker = environment.join("installed.txt");
    let wanted = packages.join(" ");
    if fs::read_to_string(&marker).is_ok_and(|installed| installed == wanted) && python.exists() {
        return Ok(python);
    }
    output(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(environment),
    )
    .context("`python3 -m venv` (package python3-venv)")?;
    let pip = ["-m", "pip", "install", "--quiet"];
    output(Command::new(&python).args(pip).args(packages))?;
    fs::write(&marker, wanted)?;
    Ok(python)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_installer_is_quoted() {
        let error = output(Command::new("sh").args(["-c", "echo no route >&2; exit 100"]))
            .expect_err("it fails");
        assert!(error.to_string().contains("no route"), "{error}");
    }

    #[test]
    fn a_missing_installer_is_named() {
        let error = output(&mut Command::new("no-such-installer")).expect_err("there is none");
        assert!(error.to_string().contains("no-such-installer"), "{error}");
    }
}
