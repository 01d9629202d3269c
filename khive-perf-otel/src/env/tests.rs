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
    assert!(!variables.is_disabled && variables.metrics.protocol.is_none());
    assert!(variables.base_endpoint.is_none() && variables.resource.is_empty());
    let variables = read_from(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "  ")]).unwrap();
    assert!(variables.metrics.protocol.is_none(), "empty is unset");
}

#[test]
fn the_sdk_and_the_exporter_can_be_switched_off() {
    let disabled = |name, value| read_from(&[(name, value)]).unwrap().is_disabled;
    assert!(disabled("OTEL_SDK_DISABLED", "TRUE"));
    assert!(!disabled("OTEL_SDK_DISABLED", "1"), "only `true` is true");
    let off = |name, value| {
        let variables = read_from(&[(name, value)]).unwrap();
        (variables.metrics.is_off, variables.traces.is_off)
    };
    assert_eq!(off("OTEL_METRICS_EXPORTER", "none"), (true, false));
    assert_eq!(off("OTEL_METRICS_EXPORTER", "otlp"), (false, false));
    assert_eq!(off("OTEL_TRACES_EXPORTER", "none"), (false, true));
    let off = read_from(&[
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/xml"),
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
    let OfSignal {
        protocol,
        timeout,
        compression,
        headers,
        ..
    } = variables.metrics;
    assert_eq!(protocol, Some(Protocol::Grpc));
    assert_eq!(timeout, Some(Duration::from_millis(250)));
    assert_eq!(compression, Some(Compression::Gzip));
    assert_eq!(headers, [("b".to_owned(), "2".to_owned())]);
    let traces = variables.traces;
    assert_eq!(traces.protocol, Some(Protocol::HttpProtobuf));
    assert_eq!(traces.timeout, Some(NO_LIMIT));
    assert_eq!(traces.headers, [("a".to_owned(), "1".to_owned())]);
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
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/xml", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "udp", "grpc"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "brotli", "gzip"),
        ("OTEL_METRICS_EXPORTER", "prometheus", "otlp"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "milliseconds"),
        ("OTEL_METRIC_EXPORT_TIMEOUT", "-1", "milliseconds"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "0", "at least 1"),
        (
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
            "detla",
            "delta",
        ),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "udp", "grpc"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "otlp"),
        ("OTEL_LOGS_EXPORTER", "console", "otlp"),
        (
            "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
            "summary",
            "base2_exponential_bucket_histogram",
        ),
        ("OTEL_TRACES_SAMPLER", "sometimes", "always_on"),
        ("OTEL_BSP_SCHEDULE_DELAY", "5s", "milliseconds"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "at least 1"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "-1", "whole number"),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "many", "whole number"),
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
fn limits_of_spans_are_read_and_that_of_all_attributes_yields_to_those_of_one_kind() {
    let limits = |variables: &[(&str, &str)]| {
        let limits = read_from(variables).unwrap().span_limits;
        limits.of(TraceConfig::default())
    };
    assert_eq!(limits(&[]), TraceConfig::default());
    let one_kind = limits(&[
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "7"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "0"),
        ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "5"),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "9"),
    ]);
    let expected = TraceConfig::default()
        .events_max(7)
        .links_max(0)
        .event_attributes_max(5)
        .attributes_max(9);
    assert_eq!(one_kind, expected);
    let own = limits(&[
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "3"),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "9"),
    ]);
    let expected = TraceConfig::default()
        .attributes_max(3)
        .event_attributes_max(9);
    assert_eq!(own, expected);
}

#[test]
fn headers_are_not_shown_in_errors() {
    let error = read_from(&[(HEADERS, "authorization Bearer s3cret")]).unwrap_err();
    assert!(!error.to_string().contains("s3cret"), "{error}");
    assert!(error.to_string().contains(HEADERS));
}

#[test]
fn samplers_are_those_of_the_specification() {
    let sampler = |name: &str, share: &str| {
        let variables = [
            ("OTEL_TRACES_SAMPLER", name),
            ("OTEL_TRACES_SAMPLER_ARG", share),
        ];
        read_from(&variables).map(|variables| variables.sampler)
    };
    for (name, share, expected) in [
        ("always_on", "", Sampler::AlwaysOn),
        ("always_off", "", Sampler::AlwaysOff),
        ("traceidratio", "0.25", Sampler::Ratio(0.25)),
        ("traceidratio", "", Sampler::Ratio(1.0)),
        ("parentbased_always_on", "", Sampler::ParentBased(1.0)),
        ("parentbased_always_off", "0.5", Sampler::ParentBased(0.0)),
        ("ParentBased_TraceIdRatio", "0.5", Sampler::ParentBased(0.5)),
    ] {
        assert_eq!(sampler(name, share).unwrap(), Some(expected));
    }
    assert_eq!(sampler("", "0.5").unwrap(), None);
    for share in ["1.5", "-1", "NaN", "half"] {
        let error = sampler("traceidratio", share).unwrap_err();
        assert_eq!(error.setting_name(), Some("OTEL_TRACES_SAMPLER_ARG"));
    }
}

/// Every variable of the protocol, of each signal: what it says without a signal holds for all of them, what it says of one
/// holds for that one alone, and wins.
#[test]
fn every_variable_of_the_protocol_is_read_for_all_signals_and_for_each() {
    type Read = fn(&OfSignal) -> String;
    let table: [(&str, &str, &str, Read); 9] = [
        ("PROTOCOL", "grpc", "http/json", |of| {
            format!("{:?}", of.protocol)
        }),
        ("HEADERS", "a=1", "b=2", |of| format!("{:?}", of.headers)),
        ("TIMEOUT", "1500", "250", |of| format!("{:?}", of.timeout)),
        ("COMPRESSION", "gzip", "zstd", |of| {
            format!("{:?}", of.compression)
        }),
        ("INSECURE", "true", "false", |of| of.is_insecure.to_string()),
        ("CERTIFICATE", "all.pem", "own.pem", |of| {
            path(&of.certificates.roots)
        }),
        ("CLIENT_CERTIFICATE", "all.crt", "own.crt", |of| {
            path(&of.certificates.client)
        }),
        ("CLIENT_KEY", "all.key", "own.key", |of| {
            path(&of.certificates.client_key)
        }),
        // That of all signals is kept apart, because a path is added to it.
        ("ENDPOINT", "http://all", "http://own", |of| {
            path(&of.endpoint)
        }),
    ];
    let signals = |variables: &Variables, read: Read| {
        let [metrics, traces, logs] = [&variables.metrics, &variables.traces, &variables.logs];
        [read(metrics), read(traces), read(logs)]
    };
    for (name, all, own, read) in table {
        let general = format!("OTEL_EXPORTER_OTLP_{name}");
        let unset = signals(&read_from(&[]).unwrap(), read);
        let for_all = read_from(&[(&general, all)]).unwrap();
        let for_all_read = signals(&for_all, read);
        if name == "ENDPOINT" {
            assert_eq!(path(&for_all.base_endpoint), all);
            assert_eq!(for_all_read, unset, "{general}");
        } else {
            assert!(
                for_all_read
                    .iter()
                    .zip(&unset)
                    .all(|(set, unset)| set != unset),
                "{general}"
            );
        }
        for (at, signal) in ["METRICS", "TRACES", "LOGS"].into_iter().enumerate() {
            let special = format!("OTEL_EXPORTER_OTLP_{signal}_{name}");
            let both = read_from(&[(&general, all), (&special, own)]).unwrap();
            let both = signals(&both, read);
            let alone = signals(&read_from(&[(&special, own)]).unwrap(), read);
            for other in 0..3 {
                if other == at {
                    assert_ne!(both[other], for_all_read[other], "{special}");
                    assert_eq!(both[other], alone[other], "{special} wins");
                } else {
                    assert_eq!(both[other], for_all_read[other], "{special}");
                    assert_eq!(alone[other], unset[other], "{special}");
                }
            }
        }
    }
}

fn path(named: &Option<Named>) -> String {
    named
        .as_ref()
        .map(|named| named.value.clone())
        .unwrap_or_default()
}

#[test]
fn the_exporter_of_each_signal_can_be_none() {
    for signal in ["METRICS", "TRACES", "LOGS"] {
        let name = format!("OTEL_{signal}_EXPORTER");
        let variables = read_from(&[(&name, "none")]).unwrap();
        let off = [&variables.metrics, &variables.traces, &variables.logs].map(|of| of.is_off);
        let expected = ["METRICS", "TRACES", "LOGS"].map(|other| other == signal);
        assert_eq!(off, expected);
    }
}

#[test]
fn temporality_is_what_the_specification_names() {
    for (value, expected) in [
        ("cumulative", Temporality::Cumulative),
        ("DELTA", Temporality::Delta),
        ("LowMemory", Temporality::Delta),
    ] {
        let name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
        assert_eq!(
            read_from(&[(name, value)]).unwrap().temporality,
            Some(expected)
        );
    }
}

#[test]
fn aggregation_is_what_the_specification_names() {
    for (value, expected) in [
        (
            "base2_exponential_bucket_histogram",
            HistogramAggregation::Base2Exponential,
        ),
        (
            "Explicit_Bucket_Histogram",
            HistogramAggregation::explicit_buckets(),
        ),
    ] {
        let name = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
        assert_eq!(
            read_from(&[(name, value)]).unwrap().aggregation,
            Some(expected)
        );
    }
}
