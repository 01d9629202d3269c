//! The OTEL_* variables, and the words that they may hold.
//!
//! An empty variable is an unset one. A variable of the metrics signal wins over the one of all signals.

use std::ffi::OsString;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use crate::error::InstallError;

/// How requests travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// gRPC over HTTP/2; port 4317 by default.
    Grpc,
    /// Protobuf over HTTP/1.1; port 4318 by default.
    HttpProtobuf,
}

/// How requests are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    None,
    /// With gzip, which every receiver must understand.
    Gzip,
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

/// A text and the variable or setting that it came from, for errors to name.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) name: &'static str,
    pub(crate) value: String,
}

/// What the environment asks for.
#[derive(Debug, Default)]
pub(crate) struct Variables {
    /// The SDK is disabled, or the metrics exporter is `none`.
    pub(crate) is_disabled: bool,
    pub(crate) protocol: Option<Protocol>,
    /// To which `/v1/metrics` is added for HTTP.
    pub(crate) base_endpoint: Option<Named>,
    /// Used as it is.
    pub(crate) metrics_endpoint: Option<Named>,
    /// Whether an endpoint without a scheme means plain text.
    pub(crate) is_insecure: bool,
    pub(crate) headers: Vec<(String, String)>,
    /// Where the headers came from.
    pub(crate) headers_name: &'static str,
    pub(crate) timeout: Option<Duration>,
    pub(crate) compression: Option<Compression>,
    pub(crate) temporality: Option<Temporality>,
    pub(crate) interval: Option<Duration>,
    pub(crate) export_timeout: Option<Duration>,
    pub(crate) service_name: Option<String>,
    pub(crate) resource: Vec<(String, String)>,
}

const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const METRICS_HEADERS: &str = "OTEL_EXPORTER_OTLP_METRICS_HEADERS";

/// Reads the variables through `lookup`, which is [`std::env::var_os`] but in tests.
pub(crate) fn read(lookup: &dyn Fn(&str) -> Option<OsString>) -> Result<Variables, InstallError> {
    let env = Env { lookup };
    if env.is_true("OTEL_SDK_DISABLED")? || env.exporter_is_none()? {
        return Ok(Variables {
            is_disabled: true,
            ..Variables::default()
        });
    }
    let headers = env.first(METRICS_HEADERS, HEADERS)?;
    Ok(Variables {
        is_disabled: false,
        protocol: env.parse("PROTOCOL", parse_protocol)?,
        base_endpoint: env.get("OTEL_EXPORTER_OTLP_ENDPOINT")?,
        metrics_endpoint: env.get("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")?,
        is_insecure: env.is_insecure()?,
        headers_name: headers.as_ref().map_or(HEADERS, |headers| headers.name),
        headers: match headers {
            Some(headers) => pairs(&headers.value)
                .map_err(|problem| InstallError::secret(headers.name, problem))?,
            None => Vec::new(),
        },
        timeout: env.parse("TIMEOUT", parse_timeout)?,
        compression: env.parse("COMPRESSION", parse_compression)?,
        temporality: env
            .get("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE")?
            .map(|named| parsed(&named, parse_temporality))
            .transpose()?,
        interval: env
            .get("OTEL_METRIC_EXPORT_INTERVAL")?
            .map(|named| parsed(&named, parse_interval))
            .transpose()?,
        export_timeout: env
            .get("OTEL_METRIC_EXPORT_TIMEOUT")?
            .map(|named| parsed(&named, parse_timeout))
            .transpose()?,
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

    fn first(
        &self,
        metrics: &'static str,
        all: &'static str,
    ) -> Result<Option<Named>, InstallError> {
        match self.get(metrics)? {
            Some(named) => Ok(Some(named)),
            None => self.get(all),
        }
    }

    /// Reads a variable that exists for metrics and for all signals.
    fn parse<T>(&self, which: &str, parse: Parse<T>) -> Result<Option<T>, InstallError> {
        let (metrics, all) = match which {
            "PROTOCOL" => (
                "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
                "OTEL_EXPORTER_OTLP_PROTOCOL",
            ),
            "TIMEOUT" => (
                "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT",
                "OTEL_EXPORTER_OTLP_TIMEOUT",
            ),
            _ => (
                "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION",
                "OTEL_EXPORTER_OTLP_COMPRESSION",
            ),
        };
        self.first(metrics, all)?
            .map(|named| parsed(&named, parse))
            .transpose()
    }

    /// Everything but `true`, in any case, is false: so the specification.
    fn is_true(&self, name: &'static str) -> Result<bool, InstallError> {
        Ok(self
            .get(name)?
            .is_some_and(|named| named.value.eq_ignore_ascii_case("true")))
    }

    fn is_insecure(&self) -> Result<bool, InstallError> {
        let named = self.first(
            "OTEL_EXPORTER_OTLP_METRICS_INSECURE",
            "OTEL_EXPORTER_OTLP_INSECURE",
        )?;
        Ok(named.is_some_and(|named| named.value.eq_ignore_ascii_case("true")))
    }

    fn exporter_is_none(&self) -> Result<bool, InstallError> {
        let Some(named) = self.get("OTEL_METRICS_EXPORTER")? else {
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
        "http/json" => Err("JSON is not supported yet; set `http/protobuf`, on the same port"),
        _ => Err("there is no such protocol; set `http/protobuf` or `grpc`"),
    }
}

fn parse_compression(value: &str) -> Result<Compression, &'static str> {
    match value.to_ascii_lowercase().as_str() {
        "none" => Ok(Compression::None),
        "gzip" => Ok(Compression::Gzip),
        _ => Err("this compression is not supported; set `gzip` or `none`"),
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
