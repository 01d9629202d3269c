//! Signal: what is sent, and under which names the specification knows it.

/// What is sent, each over a way of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Metrics,
    Traces,
    Logs,
}

/// The variables that are about one signal.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) exporter: &'static str,
    pub(crate) endpoint: &'static str,
    pub(crate) protocol: &'static str,
    pub(crate) headers: &'static str,
    pub(crate) timeout: &'static str,
    pub(crate) compression: &'static str,
    pub(crate) insecure: &'static str,
    pub(crate) certificate: &'static str,
    pub(crate) client_key: &'static str,
    pub(crate) client_certificate: &'static str,
}

macro_rules! names {
    ($signal:literal) => {
        Names {
            exporter: concat!("OTEL_", $signal, "_EXPORTER"),
            endpoint: concat!("OTEL_EXPORTER_OTLP_", $signal, "_ENDPOINT"),
            protocol: concat!("OTEL_EXPORTER_OTLP_", $signal, "_PROTOCOL"),
            headers: concat!("OTEL_EXPORTER_OTLP_", $signal, "_HEADERS"),
            timeout: concat!("OTEL_EXPORTER_OTLP_", $signal, "_TIMEOUT"),
            compression: concat!("OTEL_EXPORTER_OTLP_", $signal, "_COMPRESSION"),
            insecure: concat!("OTEL_EXPORTER_OTLP_", $signal, "_INSECURE"),
            certificate: concat!("OTEL_EXPORTER_OTLP_", $signal, "_CERTIFICATE"),
            client_key: concat!("OTEL_EXPORTER_OTLP_", $signal, "_CLIENT_KEY"),
            client_certificate: concat!("OTEL_EXPORTER_OTLP_", $signal, "_CLIENT_CERTIFICATE"),
        }
    };
}

static METRICS: Names = names!("METRICS");
static TRACES: Names = names!("TRACES");
static LOGS: Names = names!("LOGS");

impl Signal {
    pub(crate) const ALL: [Self; 3] = [Self::Metrics, Self::Traces, Self::Logs];

    /// Its variables.
    pub(crate) const fn names(self) -> &'static Names {
        match self {
            Self::Metrics => &METRICS,
            Self::Traces => &TRACES,
            Self::Logs => &LOGS,
        }
    }

    /// What HTTP adds to the endpoint of all signals.
    pub(crate) const fn http_path(self) -> &'static str {
        match self {
            Self::Metrics => "/v1/metrics",
            Self::Traces => "/v1/traces",
            Self::Logs => "/v1/logs",
        }
    }

    /// The method of gRPC.
    pub(crate) const fn grpc_path(self) -> &'static str {
        match self {
            Self::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            Self::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Self::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        }
    }

    /// What it consists of, in messages.
    pub(crate) const fn items(self) -> &'static str {
        match self {
            Self::Metrics => "data points",
            Self::Traces => "spans",
            Self::Logs => "log records",
        }
    }
}
