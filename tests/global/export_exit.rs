//! The end of a process: what was recorded is sent, and no receiver can hold the process up.

#[path = "../it/export_server.rs"]
#[expect(dead_code, reason = "shared with tests that need more of it")]
mod export_server;

use std::process::{Child, Command, ExitStatus, Stdio};

use export_server::{Reaction, Server, grpc, http, success, watched};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;

/// Runs the child to its end, or ends it.
fn run(server: &Server, way: &str, variables: &[(&str, &str)]) -> ExitStatus {
    struct Ended(Child);
    impl Drop for Ended {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_export_child"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OTEL_") {
            command.env_remove(name);
        }
    }
    command
        .arg(way)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", server.url())
        .env("OTEL_SERVICE_NAME", "child")
        .envs(variables.iter().copied())
        .stderr(Stdio::null());
    let mut child = Ended(command.spawn().unwrap());
    watched(move || child.0.wait().unwrap())
}

#[test]
fn whatever_way_the_process_ends_its_metrics_arrive() {
    for (way, code) in [
        ("return", 0),
        ("shutdown", 0),
        ("current-thread", 0),
        ("panic", 101),
    ] {
        let server = http(|_| success());
        assert_eq!(run(&server, way, &[]).code(), Some(code), "{way}");
        assert_eq!(server.seen().len(), 1, "{way}");
    }
}

#[test]
fn a_hanging_receiver_does_not_keep_the_process_alive() {
    for (way, code) in [("return", 0), ("shutdown", 3), ("current-thread", 0)] {
        let server = http(|_| Reaction::Hang);
        assert_eq!(run(&server, way, &[]).code(), Some(code), "{way}");
    }
}

#[test]
fn the_environment_decides_how_and_whether_to_send() {
    let server = grpc(|_| Some(Ok(ExportMetricsServiceResponse::default())));
    let over_grpc = [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=light%20blue"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team=a%2Cb,service.name=other"),
    ];
    assert_eq!(run(&server, "shutdown", &over_grpc).code(), Some(0));
    let seen = server.seen().remove(0);
    assert_eq!(seen.header("x-tenant"), Some("light blue"));
    let resource = format!("{:?}", seen.message.resource_metrics[0].resource);
    assert!(
        resource.contains("a,b") && resource.contains("child"),
        "{resource}"
    );
    assert!(!resource.contains("other"), "{resource}");

    let server = http(|_| success());
    for off in [
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_METRICS_EXPORTER", "none"),
    ] {
        assert_eq!(run(&server, "shutdown", &[off]).code(), Some(0), "{off:?}");
    }
    let unknown = [("OTEL_EXPORTER_OTLP_PROTOCOL", "http/xml")];
    assert_eq!(
        run(&server, "shutdown", &unknown).code(),
        Some(101),
        "an error, no silence"
    );
    assert!(server.seen().is_empty());
}
