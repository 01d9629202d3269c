"""An OTLP receiver that shares no code with khive-perf: decodes metrics, traces and log records with the official
protobuf definitions, from protobuf and from JSON, and writes down what they say.

usage: decoder.py READY OUT

Listens for OTLP/gRPC and OTLP/HTTP on two free ports of 127.0.0.1, writes {"grpc": port, "http": port} to
READY, and for every request one JSON line to OUT before it answers. Runs until its standard input ends.
"""

import base64
import gzip
import json
import os
import sys
import threading
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs_service
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc as logs_service_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as service
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as service_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_service
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as trace_service_grpc
from opentelemetry.proto.metrics.v1 import metrics_pb2 as metrics

BODY_BYTES_MAX = 64 * 1024 * 1024


def plain(value):
    """An AnyValue as the JSON value closest to it."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return attributes(value.kvlist_value.values)
    if kind == "bytes_value":
        return value.bytes_value.hex()
    return getattr(value, kind)


def attributes(pairs):
    found = {}
    for pair in pairs:
        if pair.key in found:
            raise ValueError(f"attribute {pair.key!r} is given twice")
        found[pair.key] = plain(pair.value)
    return found


def optional(message, field):
    return getattr(message, field) if message.HasField(field) else None


def number(point):
    kind = point.WhichOneof("value")
    return {"kind": kind, "value": getattr(point, kind) if kind else None}


def exponential(point):
    return {
        "count": point.count,
        "sum": optional(point, "sum"),
        "min": optional(point, "min"),
        "max": optional(point, "max"),
        "scale": point.scale,
        "zero_count": point.zero_count,
        "zero_threshold": point.zero_threshold,
        "positive": {"offset": point.positive.offset, "counts": list(point.positive.bucket_counts)},
        "negative": {"offset": point.negative.offset, "counts": list(point.negative.bucket_counts)},
        "exemplars": [
            {
                "trace_id": one.trace_id.hex(),
                "span_id": one.span_id.hex(),
                "seconds": one.as_double,
                "time_unix_ns": one.time_unix_nano,
            }
            for one in point.exemplars
        ],
    }


def span(span):
    return {
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_id": span.parent_span_id.hex(),
        "name": span.name,
        "kind": span.kind,
        "failed": span.status.code == 2,
        "start_unix_ns": span.start_time_unix_nano,
        "end_unix_ns": span.end_time_unix_nano,
        "attributes": attributes(span.attributes),
    }


def log(record):
    return {
        "event": record.event_name,
        "severity": [record.severity_number, record.severity_text],
        "time_unix_ns": record.time_unix_nano,
        "observed_unix_ns": record.observed_time_unix_nano,
        "body": plain(record.body),
        "attributes": attributes(record.attributes),
        "trace_id": record.trace_id.hex(),
        "span_id": record.span_id.hex(),
    }


IDS = ("traceId", "spanId", "parentSpanId")


def with_ids(tree):
    """OTLP/JSON has ids in hexadecimal, where JSON of protobuf has bytes in base64: the one difference between them."""
    if isinstance(tree, list):
        return [with_ids(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    return {
        key: base64.b64encode(bytes.fromhex(value)).decode() if key in IDS else with_ids(value)
        for key, value in tree.items()
    }


def points(metric):
    kind = metric.WhichOneof("data")
    data = getattr(metric, kind)
    body = exponential if kind == "exponential_histogram" else number
    if kind in ("histogram", "summary"):
        raise ValueError(f"{metric.name}: khive-perf sends no {kind}")
    for point in data.data_points:
        yield {
            "metric": metric.name,
            "unit": metric.unit,
            "type": kind,
            "temporality": metrics.AggregationTemporality.Name(data.aggregation_temporality)
            if hasattr(data, "aggregation_temporality")
            else None,
            "monotonic": data.is_monotonic if kind == "sum" else None,
            "attributes": attributes(point.attributes),
            "start_unix_ns": point.start_time_unix_nano,
            "time_unix_ns": point.time_unix_nano,
            **body(point),
        }


class Notes:
    """The file that says what arrived; one line a request, in the order of arrival."""

    def __init__(self, path):
        self.lock = threading.Lock()
        self.file = open(path, "w", encoding="utf-8")

    def add(self, transport, encoding, request):
        found = []
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                found.append(
                    {
                        "resource": attributes(resource.resource.attributes),
                        "scope": {"name": scope.scope.name, "version": scope.scope.version},
                        "points": [point for metric in scope.metrics for point in points(metric)],
                    }
                )
        self.write({"transport": transport, "encoding": encoding, "scopes": found})

    def add_spans(self, transport, encoding, request):
        scopes = [scope for resource in request.resource_spans for scope in resource.scope_spans]
        spans = [span(one) for scope in scopes for one in scope.spans]
        self.write({"transport": transport, "encoding": encoding, "scopes": [], "spans": spans})

    def add_logs(self, transport, encoding, request):
        scopes = [scope for resource in request.resource_logs for scope in resource.scope_logs]
        logs = [log(one) for scope in scopes for one in scope.log_records]
        self.write({"transport": transport, "encoding": encoding, "scopes": [], "logs": logs})

    def refuse(self, transport, why):
        self.write({"transport": transport, "refused": why})

    def write(self, line):
        with self.lock:
            self.file.write(json.dumps(line) + "\n")
            self.file.flush()


class Metrics(service_grpc.MetricsServiceServicer):
    def __init__(self, notes):
        self.notes = notes

    def Export(self, request, context):
        try:
            self.notes.add("grpc", None, request)
        except ValueError as error:
            self.notes.refuse("grpc", str(error))
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        return service.ExportMetricsServiceResponse()


class Traces(trace_service_grpc.TraceServiceServicer):
    def __init__(self, notes):
        self.notes = notes

    def Export(self, request, context):
        self.notes.add_spans("grpc", None, request)
        return trace_service.ExportTraceServiceResponse()


class Logs(logs_service_grpc.LogsServiceServicer):
    def __init__(self, notes):
        self.notes = notes

    def Export(self, request, context):
        self.notes.add_logs("grpc", None, request)
        return logs_service.ExportLogsServiceResponse()


def http_handler(notes):
    signals = {
        "/v1/metrics": (service.ExportMetricsServiceRequest, notes.add),
        "/v1/traces": (trace_service.ExportTraceServiceRequest, notes.add_spans),
        "/v1/logs": (logs_service.ExportLogsServiceRequest, notes.add_logs),
    }

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            try:
                if self.path not in signals:
                    raise ValueError(f"path is {self.path!r}, not one of {list(signals)}")
                message, add = signals[self.path]
                kind, encoding, body = self.read_body()
                if kind == "application/json":
                    # An unknown or misspelt field is an error here.
                    add("json", encoding, json_format.ParseDict(with_ids(json.loads(body)), message()))
                    self.answer(200, kind, b"{}")
                    return
                add("http", encoding, message.FromString(body))
            except Exception as error:  # whatever is wrong with a request, the line says it
                notes.refuse("http", f"{type(error).__name__}: {error}")
                self.answer(400, "text/plain", str(error).encode())
                return
            body = service.ExportMetricsServiceResponse().SerializeToString()
            self.answer(200, "application/x-protobuf", body)

        def read_body(self):
            kind = self.headers.get("content-type")
            if kind not in ("application/x-protobuf", "application/json"):
                raise ValueError(f"content-type is {kind!r}")
            size = int(self.headers["content-length"])
            if size > BODY_BYTES_MAX:
                raise ValueError(f"{size} bytes are more than {BODY_BYTES_MAX}")
            body = self.rfile.read(size)
            encoding = self.headers.get("content-encoding", "identity")
            if encoding == "gzip":
                body = gzip.decompress(body)
            elif encoding != "identity":
                raise ValueError(f"content-encoding {encoding!r} is unknown")
            return kind, encoding, body

        def answer(self, status, kind, body):
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: decoder.py READY OUT")
    ready, out = sys.argv[1:]
    notes = Notes(out)

    over_grpc = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    service_grpc.add_MetricsServiceServicer_to_server(Metrics(notes), over_grpc)
    trace_service_grpc.add_TraceServiceServicer_to_server(Traces(notes), over_grpc)
    logs_service_grpc.add_LogsServiceServicer_to_server(Logs(notes), over_grpc)
    grpc_port = over_grpc.add_insecure_port("127.0.0.1:0")
    over_grpc.start()

    over_http = ThreadingHTTPServer(("127.0.0.1", 0), http_handler(notes))
    threading.Thread(target=over_http.serve_forever, daemon=True).start()

    with open(ready + ".part", "w", encoding="utf-8") as file:
        json.dump({"grpc": grpc_port, "http": over_http.server_address[1]}, file)
    os.replace(ready + ".part", ready)

    sys.stdin.read()
    over_grpc.stop(None)
    over_http.shutdown()


if __name__ == "__main__":
    main()
