//! Resource: who is measured.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// Attributes of this process, before anybody has said otherwise.
pub(crate) fn detect() -> BTreeMap<String, Value> {
    let executable = std::env::current_exe().ok();
    let executable = executable
        .as_ref()
        .and_then(|path| path.file_name())
        .map(|name| name.to_string_lossy());
    let service = match &executable {
        Some(name) => format!("unknown_service:{name}"),
        None => "unknown_service".to_owned(),
    };
    let mut attributes = BTreeMap::new();
    let mut add = |name: &str, value: Value| attributes.insert(name.to_owned(), value);
    add("service.name", Value::Text(service));
    add("service.instance.id", Value::Text(random_uuid()));
    add("telemetry.sdk.name", Value::Text("khive-perf".to_owned()));
    add("telemetry.sdk.language", Value::Text("rust".to_owned()));
    add(
        "telemetry.sdk.version",
        Value::Text(env!("CARGO_PKG_VERSION").to_owned()),
    );
    add("process.pid", Value::Whole(i64::from(std::process::id())));
    if let Some(name) = executable {
        add("process.executable.name", Value::Text(name.into_owned()));
    }
    add("host.arch", Value::Text(arch().to_owned()));
    add("os.type", Value::Text(os().to_owned()));
    attributes
}

/// A value of a resource attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Whole(i64),
}

/// OpenTelemetry's word for the processor.
fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "arm32",
        "powerpc" => "ppc32",
        "powerpc64" => "ppc64",
        other => other,
    }
}

/// OpenTelemetry's word for the operating system.
fn os() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    }
}

/// A version 4 UUID. The standard library seeds each `RandomState` from the system's random source.
fn random_uuid() -> String {
    let word = || RandomState::new().build_hasher().finish();
    let (high, low) = (word(), word());
    let high = (high & !0xf000) | 0x4000;
    let low = (low & !(0b11 << 62)) | (0b10 << 62);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

/// A number in `0.0..1.0` for jitter.
pub(crate) fn random() -> f64 {
    (RandomState::new().build_hasher().finish() >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_processes_or_two_exporters_are_told_apart() {
        let (a, b) = (random_uuid(), random_uuid());
        assert_ne!(a, b);
        assert_eq!(a.len(), 36);
        assert_eq!(a.as_bytes()[14], b'4');
    }
}
