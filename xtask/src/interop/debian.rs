//! Programs of Debian's packages, unpacked beside the build.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::install;

const SUITE: &str = "trixie";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A program of a package; fetches and unpacks the package the first time.
///
/// Nothing is installed into the system: apt gets a configuration, a list of sources and a state of its own.
pub(super) fn unpack(cache: &Path, package: &str, program: &str) -> Result<PathBuf> {
    let directory = cache.join(package);
    let program = directory.join(program);
    if program.exists() {
        return Ok(program);
    }
    if !Path::new(KEYRING).exists() {
        bail!("{KEYRING} is missing (package debian-archive-keyring)");
    }
    let state = cache.join("apt");
    for needed in ["lists/partial", "cache/archives/partial", "download"] {
        fs::create_dir_all(state.join(needed))?;
    }
    fs::write(state.join("status"), "")?;
    let source = format!("deb [signed-by={KEYRING}] http://deb.debian.org/debian {SUITE} main\n");
    fs::write(state.join("sources.list"), source)?;
    let configuration = state.join("apt.conf");
    fs::write(&configuration, apt_configuration(&state))?;
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .arg("--quiet")
            .args(arguments)
            .env("APT_CONFIG", &configuration);
        install::output(command.current_dir(state.join("download")))
    };
    apt(&["update"])?;
    apt(&["download", package])?;
    let archives =
        fs::read_dir(state.join("download"))?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut archives: Vec<PathBuf> = archives
        .filter(|path| is_archive_of(path, package))
        .collect();
    archives.sort();
    let archive = archives
        .last()
        .with_context(|| format!("apt-get downloaded no {package}"))?;
    // Unpacked elsewhere and moved, so that an interrupted unpacking is not taken for a whole one.
    let unpacked = cache.join(format!("{package}.part"));
    install::output(
        Command::new("dpkg-deb")
            .arg("--extract")
            .arg(archive)
            .arg(&unpacked),
    )?;
    fs::rename(&unpacked, &directory)
        .with_context(|| format!("cannot move to `{}`", directory.display()))?;
    Ok(program)
}

/// `NAME_VERSION_ARCHITECTURE.deb`
fn is_archive_of(path: &Path, package: &str) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with(&format!("{package}_")) && name.ends_with(".deb"))
}

fn apt_configuration(state: &Path) -> String {
    let state = state.display();
    format!(
        "Dir::Etc::SourceList \"{state}/sources.list\";\n\
         Dir::Etc::SourceParts \"-\";\n\
         Dir::State \"{state}\";\n\
         Dir::State::Lists \"{state}/lists\";\n\
         Dir::State::status \"{state}/status\";\n\
         Dir::Cache \"{state}/cache\";\n\
         APT::Sandbox::User \"root\";\n\
         Acquire::Languages \"none\";\n\
         Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n\
         Acquire::Retries \"3\";\n"
    )
}
