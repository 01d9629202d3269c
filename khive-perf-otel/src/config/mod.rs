//! Config: all settings of an exporter, checked; and Settings, as they are given.

mod endpoint;
mod resource;
mod runtime;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use khive_perf::leak::LeakReports;
use khive_perf::snapshot::Snapshot;
use khive_perf::trace::TraceConfig;

use crate::encode::{Buckets, Value};
use crate::env::{
    Certificates, Compression, HistogramAggregation, NO_LIMIT, Named, OfSignal, Protocol,
    Temporality, Variables,
};
use crate::error::{ExportError, InstallError};
use crate::signal::Signal;
use crate::tls::Trust;

pub(crate) use self::runtime::Watched;

/// Takes snapshots for an exporter.
pub(crate) type Source = Arc<dyn Fn() -> Snapshot + Send + Sync>;
/// Is told what goes wrong.
pub(crate) type OnError = Arc<dyn Fn(&ExportError) + Send + Sync>;

/// What was asked for; nothing is checked yet.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) is_disabled: bool,
    pub(crate) base_endpoint: Option<Named>,
    pub(crate) metrics: Way,
    pub(crate) traces: Way,
    pub(crate) logs: Way,
    /// What was said of the traces of the process.
    pub(crate) collects_traces: Option<bool>,
    /// What was said of log records.
    pub(crate) sends_logs: Option<bool>,
    /// What was said of the metrics of the operating system.
    pub(crate) sends_process: Option<bool>,
    pub(crate) temporality: Temporality,
    pub(crate) interval: Duration,
    pub(crate) export_timeout: Duration,
    pub(crate) schedule_delay: Duration,
    pub(crate) trace_config: TraceConfig,
    pub(crate) queue_len_max: usize,
    pub(crate) aggregation: HistogramAggregation,
    pub(crate) buckets_max: usize,
    pub(crate) resource: BTreeMap<String, Value>,
    pub(crate) source: Source,
    pub(crate) runtimes: Vec<Watched>,
    pub(crate) leaks: Option<LeakReports>,
    pub(crate) on_error: Option<OnError>,
}

/// How one signal is to be sent; nothing is checked yet.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) is_off: bool,
    pub(crate) protocol: Protocol,
    /// Used as it is.
    pub(crate) endpoint: Option<Named>,
    pub(crate) is_insecure: bool,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) headers_name: &'static str,
    pub(crate) compression: Compression,
    pub(crate) timeout: Duration,
    pub(crate) certificates: Certificates,
}

/// How one signal is sent.
pub(crate) struct Lane {
    pub(crate) signal: Signal,
    pub(crate) protocol: Protocol,
    pub(crate) endpoint: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) compression: Compression,
    pub(crate) timeout: Duration,
    /// Where the endpoint is one with TLS.
    pub(crate) trust: Option<Trust>,
}

/// What an exporter does; it can be honoured.
pub(crate) struct Config {
    /// Of each signal that is sent.
    pub(crate) lanes: Vec<Lane>,
    /// Whether what the operating system counts of the process is sent, too.
    pub(crate) sends_process: bool,
    pub(crate) temporality: Temporality,
    pub(crate) interval: Duration,
    pub(crate) export_timeout: Duration,
    pub(crate) schedule_delay: Duration,
    pub(crate) trace_config: TraceConfig,
    pub(crate) queue_len_max: usize,
    pub(crate) buckets: Buckets,
    pub(crate) resource: Vec<(String, Value)>,
    pub(crate) source: Source,
    pub(crate) runtimes: Vec<Watched>,
    pub(crate) leaks: Option<LeakReports>,
    pub(crate) on_error: Option<OnError>,
}

// === impl Settings ===

impl Settings {
    /// The defaults, without a look at the environment.
    pub(crate) fn new() -> Self {
        Self {
            is_disabled: false,
            base_endpoint: None,
            metrics: Way::new(),
            traces: Way::new(),
            logs: Way::new(),
            collects_traces: None,
            sends_logs: None,
            sends_process: None,
            temporality: Temporality::Cumulative,
            interval: Duration::from_secs(60),
            export_timeout: Duration::from_secs(30),
            schedule_delay: Duration::from_secs(5),
            trace_config: TraceConfig::default(),
            queue_len_max: 64,
            aggregation: HistogramAggregation::Base2Exponential,
            buckets_max: 320,
            resource: resource::detect(),
            source: Arc::new(khive_perf::snapshot),
            runtimes: Vec::new(),
            leaks: None,
            on_error: None,
        }
    }

    /// The defaults, with what the environment asks for.
    pub(crate) fn of(variables: Variables) -> Self {
        let defaults = Self::new();
        let mut resource = defaults.resource;
        let given = variables.resource.into_iter();
        resource.extend(given.map(|(key, value)| (key, Value::Text(value))));
        if let Some(name) = variables.service_name {
            resource.insert("service.name".to_owned(), Value::Text(name));
        }
        let mut trace_config = defaults.trace_config;
        if let Some(sampler) = variables.sampler {
            trace_config = trace_config.sampler(sampler);
        }
        if let Some(max) = variables.spans_max {
            trace_config = trace_config.spans_max(max);
        }
        let trace_config = variables.span_limits.of(trace_config);
        let delay = variables.schedule_delay;
        Self {
            is_disabled: variables.is_disabled,
            base_endpoint: variables.base_endpoint,
            metrics: Way::of(variables.metrics),
            traces: Way::of(variables.traces),
            logs: Way::of(variables.logs),
            temporality: variables.temporality.unwrap_or(defaults.temporality),
            aggregation: variables.aggregation.unwrap_or(defaults.aggregation),
            interval: variables.interval.unwrap_or(defaults.interval),
            export_timeout: variables.export_timeout.unwrap_or(defaults.export_timeout),
            schedule_delay: delay.unwrap_or(defaults.schedule_delay),
            trace_config,
            resource,
            ..defaults
        }
    }

    /// Checks all of it.
    pub(crate) fn check(self) -> Result<Config, InstallError> {
        let mut lanes = Vec::new();
        for signal in Signal::ALL {
            lanes.extend(
                self.way(signal)
                    .check(signal, self.base_endpoint.as_ref())?,
            );
        }
        for (name, value) in [
            ("interval", self.interval),
            ("export_timeout", self.export_timeout),
            ("span_interval", self.schedule_delay),
        ] {
            if value.is_zero() {
                return Err(InstallError::setting(name, "0", NO_TIME));
            }
        }
        at_least("queue_len_max", self.queue_len_max, 1)?;
        at_least("max_buckets", self.buckets_max, 2)?;
        let buckets = buckets(self.aggregation, self.buckets_max)?;
        Ok(Config {
            lanes,
            sends_process: self.sends_process.unwrap_or(false),
            temporality: self.temporality,
            interval: self.interval.min(NO_LIMIT),
            export_timeout: self.export_timeout.min(NO_LIMIT),
            schedule_delay: self.schedule_delay.min(NO_LIMIT),
            trace_config: self.trace_config,
            queue_len_max: self.queue_len_max,
            buckets,
            resource: self.resource.into_iter().collect(),
            source: self.source,
            runtimes: self.runtimes,
            leaks: self.leaks,
            on_error: self.on_error,
        })
    }
}

impl Settings {
    const fn way(&self, signal: Signal) -> &Way {
        match signal {
            Signal::Metrics => &self.metrics,
            Signal::Traces => &self.traces,
            Signal::Logs => &self.logs,
        }
    }

    /// The ways of all signals.
    pub(crate) const fn ways(&mut self) -> [&mut Way; 3] {
        [&mut self.metrics, &mut self.traces, &mut self.logs]
    }
}

const NO_TIME: &str = "an exporter needs time; set at least a millisecond";

impl Way {
    fn new() -> Self {
        Self {
            is_off: false,
            protocol: Protocol::HttpProtobuf,
            endpoint: None,
            is_insecure: false,
            headers: Vec::new(),
            headers_name: "header",
            compression: Compression::None,
            timeout: Duration::from_secs(10),
            certificates: Certificates::default(),
        }
    }

    fn of(variables: OfSignal) -> Self {
        let defaults = Self::new();
        Self {
            is_off: variables.is_off,
            protocol: variables.protocol.unwrap_or(defaults.protocol),
            endpoint: variables.endpoint,
            is_insecure: variables.is_insecure,
            headers: variables.headers,
            headers_name: variables.headers_name,
            compression: variables.compression.unwrap_or(defaults.compression),
            timeout: variables.timeout.unwrap_or(defaults.timeout),
            certificates: variables.certificates,
        }
    }

    /// `None` for a signal that is not sent.
    fn check(&self, signal: Signal, base: Option<&Named>) -> Result<Option<Lane>, InstallError> {
        if self.is_off {
            return Ok(None);
        }
        let own = self.endpoint.as_ref();
        let endpoint = endpoint::resolve(signal, self.protocol, own, base, self.is_insecure)?;
        if self.timeout.is_zero() {
            return Err(InstallError::setting("timeout", "0", NO_TIME));
        }
        if self.protocol == Protocol::HttpJson && !cfg!(feature = "json") {
            return Err(without_feature("protocol", "http/json", "json"));
        }
        if self.compression == Compression::Zstd && !cfg!(feature = "zstd") {
            return Err(without_feature("compression", "zstd", "zstd"));
        }
        let trust = match endpoint.scheme_str() {
            Some("https") => Some(Trust::load(&endpoint, &self.certificates)?),
            _ => None,
        };
        Ok(Some(Lane {
            signal,
            protocol: self.protocol,
            trust,
            endpoint,
            headers: headers(self.headers_name, &self.headers)?,
            compression: self.compression,
            timeout: self.timeout.min(NO_LIMIT),
        }))
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("metrics", &self.metrics)
            .field("traces", &self.traces)
            .field("logs", &self.logs)
            .field("temporality", &self.temporality)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

#[cold]
fn without_feature(setting: &str, value: &str, feature: &str) -> InstallError {
    let problem = format!("it needs the feature `{feature}` of khive-perf-otel, which is off");
    InstallError::setting(setting, value, problem)
}

fn at_least(name: &str, value: usize, least: usize) -> Result<(), InstallError> {
    if value < least {
        let problem = format!("it is too small; set at least {least}");
        return Err(InstallError::setting(name, &value.to_string(), problem));
    }
    Ok(())
}

fn buckets(aggregation: HistogramAggregation, max: usize) -> Result<Buckets, InstallError> {
    match aggregation {
        HistogramAggregation::Base2Exponential => Ok(Buckets::Exponential { max }),
        HistogramAggregation::ExplicitBuckets(boundaries) => {
            let mut pairs = boundaries.iter().zip(boundaries.iter().skip(1));
            if let Some((first, second)) = pairs.find(|(first, second)| first >= second) {
                let problem = "boundaries must increase; sort them, and give each once";
                let value = format!("{first:?}, {second:?}");
                return Err(InstallError::setting(
                    "histogram_aggregation",
                    &value,
                    problem,
                ));
            }
            let seconds = boundaries.iter().map(Duration::as_secs_f64);
            Ok(Buckets::Explicit(seconds.collect()))
        }
    }
}

/// Headers that the transport writes itself.
const OURS: [&str; 10] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "grpc-encoding",
    "grpc-timeout",
    "host",
    "te",
    "transfer-encoding",
    "user-agent",
];

fn headers(origin: &str, given: &[(String, String)]) -> Result<HeaderMap, InstallError> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let key: HeaderName = name.to_ascii_lowercase().parse().map_err(|_| {
            let problem = format!("`{name}` cannot be the name of a header; correct it");
            InstallError::secret(origin, problem)
        })?;
        if OURS.contains(&key.as_str()) || key.as_str().ends_with("-bin") {
            let problem = format!("`{key}` is written by the exporter; remove it");
            return Err(InstallError::secret(origin, problem));
        }
        let mut value = HeaderValue::try_from(value).map_err(|_| {
            let problem = format!("the value of `{key}` cannot be sent in a header; correct it");
            InstallError::secret(origin, problem)
        })?;
        value.set_sensitive(true);
        headers.append(key, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(resource: &[(&str, &str)], service_name: Option<&str>) -> Variables {
        Variables {
            resource: resource
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            service_name: service_name.map(str::to_owned),
            ..Variables::default()
        }
    }

    #[test]
    fn the_environment_wins_over_what_was_found_and_the_service_name_over_all() {
        let given = [
            ("service.name", "a"),
            ("os.type", "plan9"),
            ("team", "blue"),
        ];
        let text = |settings: &Settings, key: &str| match settings.resource.get(key) {
            Some(Value::Text(text)) => text.clone(),
            other => panic!("{key} is {other:?}"),
        };
        let settings = Settings::of(variables(&given, None));
        assert_eq!(text(&settings, "service.name"), "a");
        assert_eq!(text(&settings, "os.type"), "plan9");
        assert_eq!(text(&settings, "team"), "blue");
        assert_eq!(text(&settings, "telemetry.sdk.name"), "khive-perf");
        let settings = Settings::of(variables(&given, Some("b")));
        assert_eq!(text(&settings, "service.name"), "b");
        let settings = Settings::of(variables(&[], None));
        assert!(text(&settings, "service.name").starts_with("unknown_service:"));
    }

    #[test]
    fn the_default_is_http_to_this_host_each_minute() {
        let config = Settings::of(Variables::default()).check().unwrap();
        let [metrics, traces, logs] = config.lanes.as_slice() else {
            panic!("{} lanes", config.lanes.len())
        };
        for (lane, endpoint) in [
            (metrics, "http://localhost:4318/v1/metrics"),
            (traces, "http://localhost:4318/v1/traces"),
            (logs, "http://localhost:4318/v1/logs"),
        ] {
            assert_eq!(lane.protocol, Protocol::HttpProtobuf);
            assert_eq!(lane.endpoint.to_string(), endpoint);
            assert_eq!(lane.timeout, Duration::from_secs(10));
        }
        assert_eq!(config.temporality, Temporality::Cumulative);
        assert_eq!(config.interval, Duration::from_secs(60));
        assert_eq!(config.export_timeout, Duration::from_secs(30));
    }

    #[test]
    fn headers_that_cannot_be_sent_are_errors_that_keep_the_value_secret() {
        for (name, value, problem) in [
            ("a b", "s3cret", "a b"),
            ("key", "s3\ncret", "key"),
            ("Content-Type", "s3cret", "remove"),
            ("token-bin", "s3cret", "remove"),
        ] {
            let mut settings = Settings::new();
            settings.traces.headers = vec![(name.to_owned(), value.to_owned())];
            let error = settings.check().err().unwrap().to_string();
            assert!(error.contains(problem) && !error.contains("s3"), "{error}");
        }
    }

    /// The tests of the whole workspace have the features on; those of this package alone have them off.
    #[test]
    fn what_a_feature_is_for_is_honoured_or_an_error_that_names_it() {
        for (feature, is_on, change) in [
            (
                "json",
                cfg!(feature = "json"),
                (|way| way.protocol = Protocol::HttpJson) as fn(&mut Way),
            ),
            ("zstd", cfg!(feature = "zstd"), |way| {
                way.compression = Compression::Zstd
            }),
            ("tls", cfg!(feature = "tls"), |way| {
                way.endpoint = Some(Named {
                    name: "endpoint",
                    value: "https://localhost".to_owned(),
                });
            }),
        ] {
            let mut settings = Settings::new();
            change(&mut settings.logs);
            match settings.check() {
                Ok(_) => assert!(is_on, "{feature} is off"),
                Err(error) => {
                    let error = error.to_string();
                    // Or the system has no roots.
                    let has_roots = !error.contains("roots");
                    assert!(!is_on || !has_roots, "{error}");
                    assert!(
                        !has_roots || error.contains(&format!("`{feature}`")),
                        "{error}"
                    );
                }
            }
        }
    }

    #[test]
    fn limits_that_make_no_sense_are_errors() {
        let error = |change: fn(&mut Settings)| {
            let mut settings = Settings::new();
            change(&mut settings);
            settings.check().err().unwrap().to_string()
        };
        assert!(error(|settings| settings.queue_len_max = 0).contains("queue_len_max"));
        assert!(error(|settings| settings.buckets_max = 1).contains("max_buckets"));
        let boundaries = [1, 3, 3].map(Duration::from_millis).to_vec();
        let error_of_boundaries = {
            let mut settings = Settings::new();
            settings.aggregation = HistogramAggregation::ExplicitBuckets(boundaries);
            settings.check().err().unwrap().to_string()
        };
        assert!(
            error_of_boundaries.contains("histogram_aggregation is `3ms, 3ms`"),
            "{error_of_boundaries}"
        );
        assert!(error(|settings| settings.interval = Duration::ZERO).contains("interval"));
        assert!(error(|settings| settings.traces.timeout = Duration::ZERO).contains("timeout"));
    }
}
