//! The variables, one by one.

use super::*;

fn read_from(variables: &[(&str, &str)]) -> Result<Variables, InstallError> {
    read(&|name| {
        variables
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| OsString::from(value))
    })
}

#[test]
fn an_empty_environment_asks_for_nothing() {
    let variables = read_from(&[]).unwrap();
    assert!(!variables.is_disabled && variables.protocol.is_none());
    assert!(variables.base_endpoint.is_none() && variables.resource.is_empty());
    let variables = read_from(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "  ")]).unwrap();
    assert!(variables.protocol.is_none(), "empty is unset");
}

#[test]
fn the_sdk_and_the_exporter_can_be_switched_off() {
    let disabled = |name, value| read_from(&[(name, value)]).unwrap().is_disabled;
    assert!(disabled("OTEL_SDK_DISABLED", "TRUE"));
    assert!(!disabled("OTEL_SDK_DISABLED", "1"), "only `true` is true");
    assert!(disabled("OTEL_METRICS_EXPORTER", "none"));
    assert!(!disabled("OTEL_METRICS_EXPORTER", "otlp"));
    let off = read_from(&[
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
    ]);
    assert!(off.unwrap().is_disabled, "what is off asks for nothing");
}

#[test]
fn a_variable_of_metrics_wins_over_that_of_all_signals() {
    let variables = read_from(&[
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "250"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=1"),
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "b=2"),
    ])
    .unwrap();
    assert_eq!(variables.protocol, Some(Protocol::Grpc));
    assert_eq!(variables.timeout, Some(Duration::from_millis(250)));
    assert_eq!(variables.compression, Some(Compression::Gzip));
    assert_eq!(variables.headers, [("b".to_owned(), "2".to_owned())]);
}

#[test]
fn lists_are_percent_decoded() {
    let variables = read_from(&[(
        "OTEL_RESOURCE_ATTRIBUTES",
        "a=x%2Cy, deployment.environment = eu%20west ,,b=c=d",
    )])
    .unwrap();
    let expected = [
        ("a", "x,y"),
        ("deployment.environment", "eu west"),
        ("b", "c=d"),
    ];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(variables.resource, expected);
}

#[test]
fn what_cannot_be_honoured_names_variable_value_and_remedy() {
    for (name, value, remedy) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "udp", "grpc"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "gzip"),
        ("OTEL_METRICS_EXPORTER", "prometheus", "otlp"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "milliseconds"),
        ("OTEL_METRIC_EXPORT_TIMEOUT", "-1", "milliseconds"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "0", "at least 1"),
        (
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
            "detla",
            "delta",
        ),
        ("OTEL_RESOURCE_ATTRIBUTES", "a", "key=value"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=%ff", "encode"),
        ("OTEL_RESOURCE_ATTRIBUTES", "=a", "key=value"),
    ] {
        let error = read_from(&[(name, value)]).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.setting_name(), Some(name));
        assert!(text.contains(name) && text.contains(value), "{text}");
        assert!(text.contains(remedy), "{text} does not say {remedy}");
    }
}

#[test]
fn headers_are_not_shown_in_errors() {
    let error = read_from(&[(HEADERS, "authorization Bearer s3cret")]).unwrap_err();
    assert!(!error.to_string().contains("s3cret"), "{error}");
    assert!(error.to_string().contains(HEADERS));
}
