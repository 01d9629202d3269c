//! The environment, variable by variable.

use super::*;

fn asked(variables: &[(&str, &str)]) -> Result<Asked, InstallError> {
    read(&|name| {
        variables
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| (*value).to_owned())
    })
}

fn builder(variables: &[(&str, &str)]) -> ExporterBuilder {
    match asked(variables) {
        Ok(Asked::Exporter(builder)) => *builder,
        other => panic!("{other:?}"),
    }
}

fn refusal(name: &str, value: &str) -> String {
    let error = asked(&[(name, value)]).unwrap_err();
    assert_eq!(error.setting_name(), Some(name));
    error.to_string()
}

#[test]
fn an_empty_environment_means_the_defaults_of_the_specification() {
    let builder = builder(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "")]);
    assert_eq!(builder.protocol, Protocol::HttpProtobuf);
    assert_eq!(builder.endpoint, None);
    assert_eq!(builder.compression, Compression::None);
    assert_eq!(builder.temporality, Temporality::Cumulative);
    assert_eq!(builder.interval, Duration::from_secs(60));
    assert_eq!(builder.timeout, Duration::from_secs(10));
    assert!(
        matches!(&builder.resource["service.name"], Value::Text(name) if name.starts_with("unknown_service:"))
    );
}

#[test]
fn the_general_endpoint_is_a_base_and_the_metrics_endpoint_is_not() {
    let endpoint = |variables: &[(&str, &str)]| builder(variables).endpoint;
    let general = "OTEL_EXPORTER_OTLP_ENDPOINT";
    let own = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT";
    assert_eq!(
        endpoint(&[(general, "http://a:1")]).as_deref(),
        Some("http://a:1/v1/metrics")
    );
    assert_eq!(
        endpoint(&[(general, "http://a:1/x/")]).as_deref(),
        Some("http://a:1/x/v1/metrics")
    );
    assert_eq!(
        endpoint(&[(own, "http://a:1/x")]).as_deref(),
        Some("http://a:1/x")
    );
    let both = [(general, "http://a:1"), (own, "http://b:2/write")];
    assert_eq!(endpoint(&both).as_deref(), Some("http://b:2/write"));
    let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    assert_eq!(
        endpoint(&[grpc, (general, "http://a:1")]).as_deref(),
        Some("http://a:1")
    );
    let insecure = ("OTEL_EXPORTER_OTLP_INSECURE", "true");
    assert_eq!(
        endpoint(&[grpc, insecure, (general, "a:1")]).as_deref(),
        Some("http://a:1")
    );
}

#[test]
fn the_metrics_variable_wins_over_the_general_one() {
    let builder = builder(&[
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "1"),
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "2500"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "Delta"),
    ]);
    assert_eq!(builder.protocol, Protocol::Grpc);
    assert_eq!(builder.timeout, Duration::from_millis(2500));
    assert_eq!(builder.compression, Compression::Gzip);
    assert_eq!(builder.temporality, Temporality::Delta);
}

#[test]
fn headers_and_resource_attributes_are_decoded() {
    let builder = builder(&[
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization=Bearer%20a%3Db, x = y ",
        ),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "service.name=ignored,deployment.environment.name=caf%C3%A9",
        ),
        ("OTEL_SERVICE_NAME", "shop"),
    ]);
    let headers: Vec<_> = builder
        .headers
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    assert_eq!(headers, [("authorization", "Bearer a=b"), ("x", "y")]);
    assert_eq!(
        builder.resource["service.name"],
        Value::Text("shop".to_owned())
    );
    assert_eq!(
        builder.resource["deployment.environment.name"],
        Value::Text("café".to_owned())
    );
}

#[test]
fn nothing_is_sent_when_the_environment_says_so() {
    assert!(matches!(
        asked(&[("OTEL_SDK_DISABLED", "TRUE")]),
        Ok(Asked::Nothing)
    ));
    assert!(matches!(
        asked(&[("OTEL_METRICS_EXPORTER", "none")]),
        Ok(Asked::Nothing)
    ));
    assert!(matches!(
        asked(&[("OTEL_SDK_DISABLED", "yes")]),
        Ok(Asked::Exporter(_))
    ));
}

#[test]
fn what_cannot_be_honoured_is_named_with_its_value_and_what_to_set_instead() {
    assert_eq!(
        refusal("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        "OTEL_EXPORTER_OTLP_PROTOCOL is `http/json`: is not supported; set `http/protobuf` or `grpc`"
    );
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier pigeon"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318"),
        ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "zstd"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "0"),
        ("OTEL_METRICS_EXPORTER", "prometheus"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "both"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "no equals sign"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=%zz"),
    ] {
        assert!(refusal(name, value).contains("must"), "{name}");
    }
}
