//! Environment: the `OTEL_*` variables, as the OpenTelemetry specification defines them.

use std::time::Duration;

use crate::builder::{Compression, ExporterBuilder, Protocol, Temporality};
use crate::error::InstallError;
use crate::resource::Value;

/// What the environment asks for.
#[derive(Debug)]
pub(crate) enum Asked {
    /// To send nothing.
    Nothing,
    Exporter(Box<ExporterBuilder>),
}

/// A variable that is set and not empty, with its name.
struct Setting {
    name: String,
    value: String,
}

impl Setting {
    fn wrong(&self, remedy: impl Into<String>) -> InstallError {
        InstallError::setting(&self.name, &self.value, remedy)
    }

    fn milliseconds(&self) -> Result<Duration, InstallError> {
        match self.value.parse::<u64>() {
            Ok(ms) if ms > 0 => Ok(Duration::from_millis(ms)),
            _ => Err(self.wrong("must be a number of milliseconds, at least 1")),
        }
    }
}

struct Environment<'a> {
    look_up: &'a dyn Fn(&str) -> Option<String>,
}

impl Environment<'_> {
    fn get(&self, name: &str) -> Option<Setting> {
        let value = (self.look_up)(name)?.trim().to_owned();
        (!value.is_empty()).then(|| Setting {
            name: name.to_owned(),
            value,
        })
    }

    /// The metrics variable of an OTLP setting, else the general one.
    fn otlp(&self, what: &str) -> Option<Setting> {
        self.get(&format!("OTEL_EXPORTER_OTLP_METRICS_{what}"))
            .or_else(|| self.get(&format!("OTEL_EXPORTER_OTLP_{what}")))
    }
}

/// Reads the environment through `look_up`.
pub(crate) fn read(look_up: &dyn Fn(&str) -> Option<String>) -> Result<Asked, InstallError> {
    let env = Environment { look_up };
    if let Some(disabled) = env.get("OTEL_SDK_DISABLED")
        && disabled.value.eq_ignore_ascii_case("true")
    {
        return Ok(Asked::Nothing);
    }
    if let Some(exporter) = env.get("OTEL_METRICS_EXPORTER") {
        match exporter.value.as_str() {
            "otlp" => {}
            "none" => return Ok(Asked::Nothing),
            _ => return Err(exporter.wrong("must be `otlp` or `none`")),
        }
    }
    let mut builder = ExporterBuilder::new();
    if let Some(protocol) = env.otlp("PROTOCOL") {
        builder.protocol = match protocol.value.as_str() {
            "grpc" => Protocol::Grpc,
            "http/protobuf" => Protocol::HttpProtobuf,
            "http/json" => {
                return Err(protocol.wrong("is not supported; set `http/protobuf` or `grpc`"));
            }
            _ => return Err(protocol.wrong("must be `http/protobuf` or `grpc`")),
        };
    }
    endpoint(&env, &mut builder)?;
    if let Some(compression) = env.otlp("COMPRESSION") {
        builder.compression = match compression.value.as_str() {
            "gzip" => Compression::Gzip,
            "none" => Compression::None,
            _ => return Err(compression.wrong("must be `gzip` or `none`")),
        };
    }
    if let Some(headers) = env.otlp("HEADERS") {
        builder.headers = pairs(&headers)?;
    }
    if let Some(timeout) = env.otlp("TIMEOUT") {
        builder.timeout = timeout.milliseconds()?;
    }
    if let Some(preference) = env.get("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE") {
        builder.temporality = match preference.value.to_ascii_lowercase().as_str() {
            "cumulative" => Temporality::Cumulative,
            // Counters and histograms of ours are synchronous: both words mean the same for them.
            "delta" | "lowmemory" => Temporality::Delta,
            _ => return Err(preference.wrong("must be `cumulative`, `delta` or `lowmemory`")),
        };
    }
    if let Some(interval) = env.get("OTEL_METRIC_EXPORT_INTERVAL") {
        builder.interval = interval.milliseconds()?;
    }
    if let Some(timeout) = env.get("OTEL_METRIC_EXPORT_TIMEOUT") {
        builder.export_timeout = timeout.milliseconds()?;
    }
    resource(&env, &mut builder)?;
    Ok(Asked::Exporter(Box::new(builder)))
}

/// The metrics endpoint is used as it is; the general one is a base to which HTTP adds its path.
fn endpoint(env: &Environment<'_>, builder: &mut ExporterBuilder) -> Result<(), InstallError> {
    let own = env.get("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT");
    let is_own = own.is_some();
    let Some(endpoint) = own.or_else(|| env.get("OTEL_EXPORTER_OTLP_ENDPOINT")) else {
        return Ok(());
    };
    let mut url = endpoint.value.clone();
    if !url.contains("://") {
        let insecure = env
            .otlp("INSECURE")
            .is_some_and(|it| it.value.eq_ignore_ascii_case("true"));
        if builder.protocol != Protocol::Grpc || !insecure {
            return Err(endpoint.wrong("must begin with `http://`"));
        }
        url = format!("http://{url}");
    }
    if builder.protocol == Protocol::HttpProtobuf && !is_own {
        url = format!("{}/v1/metrics", url.trim_end_matches('/'));
    }
    builder.endpoint = Some(url);
    builder.endpoint_setting = endpoint.name;
    Ok(())
}

/// `OTEL_SERVICE_NAME` wins over `service.name` in `OTEL_RESOURCE_ATTRIBUTES`; both win over what was
/// detected.
fn resource(env: &Environment<'_>, builder: &mut ExporterBuilder) -> Result<(), InstallError> {
    if let Some(attributes) = env.get("OTEL_RESOURCE_ATTRIBUTES") {
        for (name, value) in pairs(&attributes)? {
            builder.resource.insert(name, Value::Text(value));
        }
    }
    if let Some(name) = env.get("OTEL_SERVICE_NAME") {
        builder
            .resource
            .insert("service.name".to_owned(), Value::Text(name.value));
    }
    Ok(())
}

/// `name=value,name=value`, percent-encoded.
fn pairs(setting: &Setting) -> Result<Vec<(String, String)>, InstallError> {
    let remedy = "must be `name=value,name=value`, with `,`, `=` and `%` percent-encoded";
    setting
        .value
        .split(',')
        .filter(|pair| !pair.trim().is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').ok_or_else(|| setting.wrong(remedy))?;
            let name = percent_decoded(name.trim()).filter(|name| !name.is_empty());
            let value = percent_decoded(value.trim());
            name.zip(value).ok_or_else(|| setting.wrong(remedy))
        })
        .collect()
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
#[path = "env_tests.rs"]
mod tests;
