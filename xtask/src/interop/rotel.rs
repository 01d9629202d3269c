//! rotel: a collector that takes in OTLP and passes it on, between the program and the decoder.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::install;
use crate::interop::child::{Child, free_port};

/// At the version that was tried.
const PACKAGE: &str = "rotel==0.0.1a15";

/// The collector's program; installs it the first time.
pub(super) fn install(cache: &Path) -> Result<PathBuf> {
    let python = install::packages(&cache.join("rotel"), &["--only-binary", ":all:", PACKAGE])?;
    let find = "import importlib.util, os; \
                print(os.path.join(os.path.dirname(importlib.util.find_spec('rotel').origin), 'rotel-agent'))";
    let program = install::output(Command::new(python).args(["-c", find]))?;
    Ok(PathBuf::from(program.trim()))
}

/// A running collector.
pub(super) struct Rotel {
    child: Child,
    pub(super) grpc: u16,
}

impl Rotel {
    /// Passes on what comes to the decoder's port for HTTP.
    pub(super) fn start(program: &Path, directory: &Path, to: u16) -> Result<Self> {
        let (grpc, http) = (free_port()?, free_port()?);
        let mut command = Command::new(program);
        command.arg("start");
        for (option, port) in [
            ("--otlp-grpc-endpoint", grpc),
            ("--otlp-http-endpoint", http),
        ] {
            command.args([option, &format!("127.0.0.1:{port}")]);
        }
        command.args(["--exporter", "otlp", "--otlp-exporter-protocol", "http"]);
        for signal in ["metrics", "traces", "logs"] {
            let option = format!("--otlp-exporter-{signal}-endpoint");
            command.args([option, format!("http://127.0.0.1:{to}/v1/{signal}")]);
        }
        let mut child = Child::start(&mut command, "rotel", directory)?;
        child.wait_for("it listens", |_| {
            let address = (std::net::Ipv4Addr::LOCALHOST, grpc);
            Ok(std::net::TcpStream::connect(address).ok())
        })?;
        Ok(Self { child, grpc })
    }

    /// Ends it, after it has passed on what it has.
    pub(super) fn finish(mut self) -> Result<()> {
        let status = self.child.interrupt()?;
        if !status.success() {
            bail!(
                "rotel failed ({status}); its log ends with\n{}",
                self.child.tail()
            );
        }
        Ok(())
    }
}
