//! Endpoint: the address that requests go to, by the rules of the specification.

use http::Uri;
use http::uri::PathAndQuery;

use crate::env::{Named, Protocol};
use crate::error::InstallError;
use crate::signal::Signal;

/// The address for a signal.
///
/// `own` is used as it is; to `base`, HTTP adds the path of the signal.
pub(super) fn resolve(
    signal: Signal,
    protocol: Protocol,
    own: Option<&Named>,
    base: Option<&Named>,
    is_insecure: bool,
) -> Result<Uri, InstallError> {
    match (protocol, own, base) {
        (_, Some(named), _) => parse(protocol, named, is_insecure),
        (Protocol::Grpc, None, Some(named)) => parse(protocol, named, is_insecure),
        (Protocol::HttpProtobuf | Protocol::HttpJson, None, Some(named)) => {
            with_path(&parse(protocol, named, is_insecure)?, signal.http_path())
                .ok_or_else(|| InstallError::setting(named.name, &named.value, NOT_A_URL))
        }
        (Protocol::Grpc, None, None) => Ok(Uri::from_static("http://localhost:4317")),
        (Protocol::HttpProtobuf | Protocol::HttpJson, None, None) => {
            let base = Uri::from_static("http://localhost:4318");
            Ok(with_path(&base, signal.http_path()).unwrap_or(base))
        }
    }
}

const NOT_A_URL: &str = "this is no URL; write it as `http://host:port`";

fn parse(protocol: Protocol, named: &Named, is_insecure: bool) -> Result<Uri, InstallError> {
    let error = |problem: &str| InstallError::setting(named.name, &named.value, problem);
    let text = match (named.value.contains("://"), protocol) {
        (true, _) => named.value.clone(),
        // A gRPC target without a scheme is one with TLS, unless insecure.
        (false, Protocol::Grpc) if is_insecure => format!("http://{}", named.value),
        (false, Protocol::Grpc) => format!("https://{}", named.value),
        (false, _) => return Err(error(NOT_A_URL)),
    };
    let uri: Uri = text.parse().map_err(|_| error(NOT_A_URL))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(error(NOT_A_URL));
    }
    let authority = uri.authority().ok_or_else(|| error(NOT_A_URL))?;
    if authority.as_str().contains('@') {
        return Err(InstallError::secret(
            named.name,
            "it has a user name, which would be lost; put `authorization` into OTEL_EXPORTER_OTLP_HEADERS",
        ));
    }
    let is_port_missing = authority.as_str() != authority.host() && authority.port_u16().is_none();
    if authority.host().is_empty() || is_port_missing {
        return Err(error(NOT_A_URL));
    }
    if protocol == Protocol::Grpc && !matches!(uri.path(), "" | "/") {
        return Err(error(
            "gRPC has no path; remove it, or set the protocol to `http/protobuf`",
        ));
    }
    Ok(uri)
}

fn with_path(base: &Uri, path: &str) -> Option<Uri> {
    let path = format!("{}{path}", base.path().trim_end_matches('/'));
    let path = match base.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let mut parts = base.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(value: &str) -> Named {
        Named {
            name: "ENDPOINT",
            value: value.to_owned(),
        }
    }

    fn base(protocol: Protocol, value: &str) -> Result<String, String> {
        resolve(Signal::Metrics, protocol, None, Some(&named(value)), false)
            .map(|uri| uri.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn http_adds_the_path_to_the_endpoint_of_all_signals() {
        for (given, expected) in [
            ("http://c:4318", "http://c:4318/v1/metrics"),
            ("http://c:4318/", "http://c:4318/v1/metrics"),
            ("http://c/tenant/a/", "http://c/tenant/a/v1/metrics"),
            ("http://[::1]:80?key=b", "http://[::1]:80/v1/metrics?key=b"),
        ] {
            assert_eq!(base(Protocol::HttpProtobuf, given).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn the_endpoint_of_metrics_is_used_as_it_is() {
        let at = |value| {
            let (metrics, base) = (named(value), named("http://other"));
            let (signal, protocol) = (Signal::Metrics, Protocol::HttpProtobuf);
            let uri = resolve(signal, protocol, Some(&metrics), Some(&base), false);
            uri.unwrap().to_string()
        };
        assert_eq!(at("http://c:4318"), "http://c:4318/", "the root path");
        assert_eq!(at("http://c/opentelemetry"), "http://c/opentelemetry");
    }

    #[test]
    fn without_an_endpoint_it_is_the_local_host() {
        let of = |signal, protocol| {
            let uri = resolve(signal, protocol, None, None, false);
            uri.unwrap().to_string()
        };
        let (metrics, http) = (Signal::Metrics, Protocol::HttpProtobuf);
        assert_eq!(of(metrics, Protocol::Grpc), "http://localhost:4317/");
        assert_eq!(of(metrics, http), "http://localhost:4318/v1/metrics");
        assert_eq!(of(Signal::Traces, http), "http://localhost:4318/v1/traces");
    }

    #[test]
    fn what_cannot_be_honoured_is_an_error_with_a_remedy() {
        for (protocol, value, remedy) in [
            (Protocol::HttpProtobuf, "c:4318", "http://host:port"),
            (Protocol::HttpProtobuf, "unix:///tmp/s", "http://host:port"),
            (Protocol::HttpProtobuf, "http://", "http://host:port"),
            (Protocol::HttpProtobuf, "http://c:port", "http://host:port"),
            (Protocol::Grpc, "http://c:4317/v1/metrics", "http/protobuf"),
        ] {
            let error = base(protocol, value).unwrap_err();
            assert!(
                error.contains("ENDPOINT") && error.contains(value),
                "{error}"
            );
            assert!(error.contains(remedy), "{error} does not say {remedy}");
        }
        let error = base(Protocol::Grpc, "http://me:s3cret@c").unwrap_err();
        assert!(
            error.contains("HEADERS") && !error.contains("s3cret"),
            "{error}"
        );
    }

    #[test]
    fn without_a_scheme_insecure_means_plain_text_and_else_tls() {
        let base = named("c:4317");
        for (is_insecure, expected) in [(true, "http://c:4317/"), (false, "https://c:4317/")] {
            let (signal, protocol) = (Signal::Traces, Protocol::Grpc);
            let uri = resolve(signal, protocol, None, Some(&base), is_insecure).unwrap();
            assert_eq!(uri.to_string(), expected);
        }
        // Insecure says nothing of an endpoint that has a scheme.
        let base = named("https://c:4317");
        let uri = resolve(Signal::Logs, Protocol::Grpc, None, Some(&base), true).unwrap();
        assert_eq!(uri.scheme_str(), Some("https"));
    }
}
