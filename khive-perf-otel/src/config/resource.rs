//! Resource: who is measured.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use crate::encode::Value;

/// What this process knows about itself.
///
/// `service.instance.id` is new for every exporter: two of them are two writers.
pub(super) fn detect() -> BTreeMap<String, Value> {
    let executable = std::env::current_exe()
        .ok()
        .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    let service = executable.as_deref().map_or_else(
        || "unknown_service".into(),
        |name| format!("unknown_service:{name}"),
    );
    let text = |key: &str, value: &str| (key.to_owned(), Value::Text(value.to_owned()));
    let mut resource = BTreeMap::from([
        text("service.name", &service),
        text("service.instance.id", &instance_id()),
        text("telemetry.sdk.name", "khive-perf"),
        text("telemetry.sdk.language", "rust"),
        text("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
        text("host.arch", arch(std::env::consts::ARCH)),
        text("os.type", os(std::env::consts::OS)),
        (
            "process.pid".to_owned(),
            Value::Int(i64::from(std::process::id())),
        ),
    ]);
    if let Some(name) = executable {
        resource.extend([text("process.executable.name", &name)]);
    }
    resource
}

/// A random UUID. The keys of `RandomState` come from the operating system.
fn instance_id() -> String {
    let state = RandomState::new();
    let (high, low) = (state.hash_one(0), state.hash_one(1));
    let high = high & !0xf000 | 0x4000;
    let low = low & !(0b11 << 62) | (0b10 << 62);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

/// OpenTelemetry's name of an architecture that Rust names.
fn arch(rust: &str) -> &str {
    match rust {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "arm32",
        "powerpc" => "ppc32",
        "powerpc64" => "ppc64",
        other => other,
    }
}

/// OpenTelemetry's name of an operating system that Rust names.
fn os(rust: &str) -> &str {
    match rust {
        "macos" => "darwin",
        "dragonfly" => "dragonflybsd",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instance_has_an_id_of_its_own() {
        let ids: std::collections::HashSet<String> = (0..1000).map(|_| instance_id()).collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            let lengths: Vec<usize> = id.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
            assert_eq!(&id[14..15], "4", "{id}");
            assert!("89ab".contains(&id[19..20]), "{id}");
        }
    }

    #[test]
    fn machines_have_the_names_of_the_conventions() {
        assert_eq!((arch("x86_64"), arch("s390x")), ("amd64", "s390x"));
        assert_eq!((os("macos"), os("linux")), ("darwin", "linux"));
    }
}
