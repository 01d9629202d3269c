//! The OTEL_* variables, and the words that they may hold.
//!
//! An empty variable is an unset one. A variable of one signal wins over the one of all signals.

use std::ffi::OsString;
use std::time::Duration;

use khive_perf::trace::{Sampler, TraceConfig};
use percent_encoding::percent_decode_str;

use crate::error::InstallError;
use crate::signal::Signal;

/// How requests travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// gRPC over HTTP/2; port 4317 by default.
    Grpc,
    /// Protobuf over HTTP/1.1; port 4318 by default.
    HttpProtobuf,
    /// JSON over HTTP/1.1, on the same port: larger and slower, and not every receiver reads all of it. Feature `json`.
    HttpJson,
}

/// How requests are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    None,
    /// With gzip, which every receiver must understand.
    Gzip,
    /// With zstd, which costs less and which some receivers understand. Feature `zstd`.
    Zstd,
}

/// Since when values count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Temporality {
    /// Since the process started. Every receiver understands it, and a lost request loses nothing.
    Cumulative,
    /// Since the last point. Calls in flight stay cumulative, as OpenTelemetry asks of such sums.
    Delta,
}

/// How the durations of calls are put into buckets on their way out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HistogramAggregation {
    /// As they are recorded: 32 buckets for each power of two, wherever the durations lie. The default.
    Base2Exponential,
    /// In buckets with these upper boundaries, which must increase, and one more for what is longer.
    ///
    /// For receivers that take no exponential histograms. A recorded bucket goes as a whole to where its geometric middle
    /// lies, so only durations within 1.1 % of a boundary may be counted on its other side. Count, sum, minimum and maximum
    /// stay as they are.
    ExplicitBuckets(Vec<Duration>),
}

impl HistogramAggregation {
    /// [`ExplicitBuckets`](Self::ExplicitBuckets) with the boundaries that OpenTelemetry's conventions have for durations,
    /// from 5 ms to 10 s. Faster functions all end in the first bucket: give boundaries of your own for them.
    #[must_use]
    pub fn explicit_buckets() -> Self {
        let boundaries_ms = [
            5, 10, 25, 50, 75, 100, 250, 500, 750, 1_000, 2_500, 5_000, 7_500, 10_000,
        ];
        Self::ExplicitBuckets(boundaries_ms.map(Duration::from_millis).to_vec())
    }
}

/// A text and the variable or setting that it came from, for errors to name.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) name: &'static str,
    pub(crate) value: String,
}

/// What the environment asks for.
#[derive(Debug, Default)]
pub(crate) struct Variables {
    /// The SDK is disabled.
    pub(crate) is_disabled: bool,
    /// To which the path of the signal is added for HTTP.
    pub(crate) base_endpoint: Option<Named>,
    pub(crate) metrics: OfSignal,
    pub(crate) traces: OfSignal,
    pub(crate) logs: OfSignal,
    pub(crate) temporality: Option<Temporality>,
    pub(crate) aggregation: Option<HistogramAggregation>,
    pub(crate) interval: Option<Duration>,
    pub(crate) export_timeout: Option<Duration>,
    /// Time between two exports of spans.
    pub(crate) schedule_delay: Option<Duration>,
    /// Spans that may wait for the exporter.
    pub(crate) spans_max: Option<usize>,
    pub(crate) span_limits: SpanLimits,
    pub(crate) sampler: Option<Sampler>,
    pub(crate) service_name: Option<String>,
    pub(crate) resource: Vec<(String, String)>,
}

/// How much the environment lets be told of one span.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SpanLimits {
    attributes: Option<usize>,
    events: Option<usize>,
    links: Option<usize>,
    event_attributes: Option<usize>,
}

impl SpanLimits {
    /// Traces with these limits, where there are any.
    pub(crate) fn of(self, mut config: TraceConfig) -> TraceConfig {
        if let Some(max) = self.attributes {
            config = config.attributes_max(max);
        }
        if let Some(max) = self.events {
            config = config.events_max(max);
        }
        if let Some(max) = self.links {
            config = config.links_max(max);
        }
        if let Some(max) = self.event_attributes {
            config = config.event_attributes_max(max);
        }
        config
    }
}

/// What the environment asks for, of one signal.
#[derive(Clone, Debug, Default)]
pub(crate) struct OfSignal {
    /// Its exporter is `none`.
    pub(crate) is_off: bool,
    pub(crate) protocol: Option<Protocol>,
    /// Used as it is.
    pub(crate) endpoint: Option<Named>,
    /// Whether an endpoint without a scheme means plain text.
    pub(crate) is_insecure: bool,
    pub(crate) headers: Vec<(String, String)>,
    /// Where the headers came from.
    pub(crate) headers_name: &'static str,
    pub(crate) timeout: Option<Duration>,
    pub(crate) compression: Option<Compression>,
    pub(crate) certificates: Certificates,
}

/// Files of PEM, for TLS.
#[derive(Clone, Debug, Default)]
pub(crate) struct Certificates {
    /// Whom to trust, in place of those whom the system trusts.
    pub(crate) roots: Option<Named>,
    /// What this side shows of itself, and the key that proves it.
    pub(crate) client: Option<Named>,
    pub(crate) client_key: Option<Named>,
}

const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";

/// Reads the variables through `lookup`, which is [`std::env::var_os`] but in tests.
pub(crate) fn read(lookup: &dyn Fn(&str) -> Option<OsString>) -> Result<Variables, InstallError> {
    let env = Env { lookup };
    if env.is_true("OTEL_SDK_DISABLED")? {
        return Ok(Variables {
            is_disabled: true,
            ..Variables::default()
        });
    }
    Ok(Variables {
        is_disabled: false,
        base_endpoint: env.get("OTEL_EXPORTER_OTLP_ENDPOINT")?,
        metrics: env.of(Signal::Metrics)?,
        traces: env.of(Signal::Traces)?,
        logs: env.of(Signal::Logs)?,
        temporality: env.one(
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
            parse_temporality,
        )?,
        aggregation: env.one(
            "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
            parse_aggregation,
        )?,
        interval: env.one("OTEL_METRIC_EXPORT_INTERVAL", parse_interval)?,
        export_timeout: env.one("OTEL_METRIC_EXPORT_TIMEOUT", parse_timeout)?,
        schedule_delay: env.one("OTEL_BSP_SCHEDULE_DELAY", parse_interval)?,
        spans_max: env.one("OTEL_BSP_MAX_QUEUE_SIZE", parse_len)?,
        span_limits: env.span_limits()?,
        sampler: env.sampler()?,
        service_name: env.get("OTEL_SERVICE_NAME")?.map(|named| named.value),
        resource: match env.get("OTEL_RESOURCE_ATTRIBUTES")? {
            Some(named) => pairs(&named.value)
                .map_err(|problem| InstallError::setting(named.name, &named.value, problem))?,
            None => Vec::new(),
        },
    })
}

struct Env<'a> {
    lookup: &'a dyn Fn(&str) -> Option<OsString>,
}

impl Env<'_> {
    fn get(&self, name: &'static str) -> Result<Option<Named>, InstallError> {
        let Some(value) = (self.lookup)(name) else {
            return Ok(None);
        };
        let value = value.into_string().map_err(|value| {
            InstallError::setting(name, &value.to_string_lossy(), "it is not UTF-8; retype it")
        })?;
        let value = value.trim().to_owned();
        Ok((!value.is_empty()).then_some(Named { name, value }))
    }

    fn first(&self, own: &'static str, all: &'static str) -> Result<Option<Named>, InstallError> {
        match self.get(own)? {
            Some(named) => Ok(Some(named)),
            None => self.get(all),
        }
    }

    /// Reads a variable that there is once.
    fn one<T>(&self, name: &'static str, parse: Parse<T>) -> Result<Option<T>, InstallError> {
        let named = self.get(name)?;
        named.map(|named| parsed(&named, parse)).transpose()
    }

    /// Reads a variable that there is for one signal and for all of them.
    fn either<T>(
        &self,
        own: &'static str,
        all: &'static str,
        parse: Parse<T>,
    ) -> Result<Option<T>, InstallError> {
        let named = self.first(own, all)?;
        named.map(|named| parsed(&named, parse)).transpose()
    }

    /// What is asked for of one signal; of one that is off, nothing.
    fn of(&self, signal: Signal) -> Result<OfSignal, InstallError> {
        let names = signal.names();
        if self.exporter_is_none(names.exporter)? {
            return Ok(OfSignal {
                is_off: true,
                ..OfSignal::default()
            });
        }
        let headers = self.first(names.headers, HEADERS)?;
        let insecure = self.first(names.insecure, "OTEL_EXPORTER_OTLP_INSECURE")?;
        Ok(OfSignal {
            is_off: false,
            protocol: self.either(
                names.protocol,
                "OTEL_EXPORTER_OTLP_PROTOCOL",
                parse_protocol,
            )?,
            endpoint: self.get(names.endpoint)?,
            is_insecure: insecure.is_some_and(|named| named.value.eq_ignore_ascii_case("true")),
            headers_name: headers.as_ref().map_or(HEADERS, |headers| headers.name),
            headers: match headers {
                Some(headers) => pairs(&headers.value)
                    .map_err(|problem| InstallError::secret(headers.name, problem))?,
                None => Vec::new(),
            },
            timeout: self.either(names.timeout, "OTEL_EXPORTER_OTLP_TIMEOUT", parse_timeout)?,
            compression: self.either(
                names.compression,
                "OTEL_EXPORTER_OTLP_COMPRESSION",
                parse_compression,
            )?,
            certificates: Certificates {
                roots: self.first(names.certificate, "OTEL_EXPORTER_OTLP_CERTIFICATE")?,
                client: self.first(
                    names.client_certificate,
                    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
                )?,
                client_key: self.first(names.client_key, "OTEL_EXPORTER_OTLP_CLIENT_KEY")?,
            },
        })
    }

    /// Limits of spans; that of all attributes holds where there is none of those of spans, or of events.
    fn span_limits(&self) -> Result<SpanLimits, InstallError> {
        let attributes = "OTEL_ATTRIBUTE_COUNT_LIMIT";
        Ok(SpanLimits {
            attributes: self.either("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", attributes, parse_limit)?,
            events: self.one("OTEL_SPAN_EVENT_COUNT_LIMIT", parse_limit)?,
            links: self.one("OTEL_SPAN_LINK_COUNT_LIMIT", parse_limit)?,
            event_attributes: self.either(
                "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
                attributes,
                parse_limit,
            )?,
        })
    }

    /// The sampler of traces, with its argument.
    fn sampler(&self) -> Result<Option<Sampler>, InstallError> {
        let Some(named) = self.get("OTEL_TRACES_SAMPLER")? else {
            return Ok(None);
        };
        let share = self.one("OTEL_TRACES_SAMPLER_ARG", parse_share)?;
        let share = share.unwrap_or(1.0);
        Ok(Some(match named.value.to_ascii_lowercase().as_str() {
            "always_on" => Sampler::AlwaysOn,
            "always_off" => Sampler::AlwaysOff,
            "traceidratio" => Sampler::Ratio(share),
            "parentbased_always_on" => Sampler::ParentBased(1.0),
            "parentbased_always_off" => Sampler::ParentBased(0.0),
            "parentbased_traceidratio" => Sampler::ParentBased(share),
            _ => {
                let problem = "there is no such sampler; set `always_on`, `always_off`, \
                     `traceidratio`, or one of them with `parentbased_` before it";
                return Err(InstallError::setting(named.name, &named.value, problem));
            }
        }))
    }

    /// Everything but `true`, in any case, is false: so the specification.
    fn is_true(&self, name: &'static str) -> Result<bool, InstallError> {
        Ok(self
            .get(name)?
            .is_some_and(|named| named.value.eq_ignore_ascii_case("true")))
    }

    fn exporter_is_none(&self, name: &'static str) -> Result<bool, InstallError> {
        let Some(named) = self.get(name)? else {
            return Ok(false);
        };
        match named.value.to_ascii_lowercase().as_str() {
            "otlp" => Ok(false),
            "none" => Ok(true),
            _ => Err(InstallError::setting(
                named.name,
                &named.value,
                "there is no such exporter here; set `otlp` or `none`",
            )),
        }
    }
}

type Parse<T> = fn(&str) -> Result<T, &'static str>;

fn parsed<T>(named: &Named, parse: Parse<T>) -> Result<T, InstallError> {
    parse(&named.value).map_err(|problem| InstallError::setting(named.name, &named.value, problem))
}

fn parse_protocol(value: &str) -> Result<Protocol, &'static str> {
    match value.to_ascii_lowercase().as_str() {
        "grpc" => Ok(Protocol::Grpc),
        "http/protobuf" => Ok(Protocol::HttpProtobuf),
        "http/json" => Ok(Protocol::HttpJson),
        _ => Err("there is no such protocol; set `http/protobuf`, `http/json` or `grpc`"),
    }
}

fn parse_compression(value: &str) -> Result<Compression, &'static str> {
    match value.to_ascii_lowercase().as_str() {
        "none" => Ok(Compression::None),
        "gzip" => Ok(Compression::Gzip),
        "zstd" => Ok(Compression::Zstd),
        _ => Err("this compression is not supported; set `gzip`, `zstd` or `none`"),
    }
}

fn parse_temporality(value: &str) -> Result<Temporality, &'static str> {
    match value.to_ascii_lowercase().as_str() {
        "cumulative" => Ok(Temporality::Cumulative),
        // They differ for asynchronous counters, of which there are none.
        "delta" | "lowmemory" => Ok(Temporality::Delta),
        _ => Err("there is no such temporality; set `cumulative`, `delta` or `lowmemory`"),
    }
}

fn parse_aggregation(value: &str) -> Result<HistogramAggregation, &'static str> {
    match value.to_ascii_lowercase().as_str() {
        "base2_exponential_bucket_histogram" => Ok(HistogramAggregation::Base2Exponential),
        "explicit_bucket_histogram" => Ok(HistogramAggregation::explicit_buckets()),
        _ => Err(
            "there is no such aggregation; set `base2_exponential_bucket_histogram` or \
             `explicit_bucket_histogram`",
        ),
    }
}

fn parse_timeout(value: &str) -> Result<Duration, &'static str> {
    match value.parse() {
        Ok(0) => Ok(NO_LIMIT),
        Ok(ms) => Ok(Duration::from_millis(ms)),
        Err(_) => Err("this is no time; set whole milliseconds, 0 for no limit"),
    }
}

fn parse_interval(value: &str) -> Result<Duration, &'static str> {
    match value.parse() {
        Ok(ms) if ms > 0 => Ok(Duration::from_millis(ms)),
        _ => Err("this is no interval; set whole milliseconds, at least 1"),
    }
}

fn parse_len(value: &str) -> Result<usize, &'static str> {
    match value.parse() {
        Ok(len) if len > 0 => Ok(len),
        _ => Err("this is no number of spans; set a whole number, at least 1"),
    }
}

fn parse_limit(value: &str) -> Result<usize, &'static str> {
    value
        .parse()
        .map_err(|_| "this is no limit; set a whole number, 0 for none at all")
}

fn parse_share(value: &str) -> Result<f64, &'static str> {
    match value.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("this is no share; set a number from 0 to 1"),
    }
}

/// A timeout that never comes, and can still be added to the time of day.
pub(crate) const NO_LIMIT: Duration = Duration::from_secs(365 * 86_400);

/// Reads `key=value,key=value`, percent-decoded.
fn pairs(value: &str) -> Result<Vec<(String, String)>, String> {
    value
        .split(',')
        .enumerate()
        .filter(|(_, entry)| !entry.trim().is_empty())
        .map(|(at, entry)| {
            let entry_number = at + 1;
            let (key, value) = entry.split_once('=').ok_or_else(|| {
                format!("entry {entry_number} has no `=`; write `key=value,key=value`")
            })?;
            let decode = |text: &str| {
                percent_decode_str(text.trim())
                    .decode_utf8()
                    .map(std::borrow::Cow::into_owned)
                    .map_err(|_| {
                        format!("entry {entry_number} is not UTF-8 when percent-decoded; encode it again")
                    })
            };
            let key = decode(key)?;
            if key.is_empty() {
                return Err(format!("entry {entry_number} has no key; write `key=value,key=value`"));
            }
            Ok((key, decode(value)?))
        })
        .collect()
}

#[cfg(test)]
mod tests;
