"""Writes exponential histograms to Prometheus as native histograms, by remote write, as a collector's exporter does.

usage: prometheus.py NOTES PORT

NOTES are those of decoder.py. Bucket i of OpenTelemetry is (base^i, base^(i+1)], that of Prometheus (base^(i-1), base^i]: each
stands one further on.
"""

import json
import struct
import sys
import urllib.request

METRIC = "khive.perf.function.duration"


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def zigzag(value):
    return varint(value * 2 if value >= 0 else -value * 2 - 1)


def field(number, kind, encoded):
    return varint(number << 3 | kind) + encoded


def whole(number, value):
    return field(number, 0, varint(value))


def double(number, value):
    return field(number, 1, struct.pack("<d", value))


def nested(number, body):
    return field(number, 2, varint(len(body)) + body)


def label(name, value):
    return nested(1, name.encode()) + nested(2, value.encode())


def labels(scope, point):
    pairs = {"__name__": "khive_perf_function_duration_seconds"}
    attributes = point["attributes"] | {"job": scope["resource"]["service.name"]}
    for name, value in attributes.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        pairs["".join(c if c.isalnum() and c.isascii() else "_" for c in name)] = text
    return b"".join(nested(1, label(name, pairs[name])) for name in sorted(pairs))


def histogram(point, ms):
    counts = point["positive"]["counts"]
    deltas = [after - before for before, after in zip([0] + counts, counts)]
    span = field(1, 0, zigzag(point["positive"]["offset"] + 1)) + whole(2, len(counts))
    return (
        whole(1, point["count"])
        + double(3, point["sum"])
        + field(4, 0, zigzag(point["scale"]))
        + double(5, point["zero_threshold"])
        + whole(6, point["zero_count"])
        + (nested(11, span) + nested(12, b"".join(map(zigzag, deltas))) if counts else b"")
        + whole(15, ms)
    )


def exemplar(one):
    pairs = nested(1, label("trace_id", one["trace_id"])) + nested(1, label("span_id", one["span_id"]))
    return pairs + double(2, one["seconds"]) + whole(3, one["time_unix_ns"] // 1_000_000)


def snappy(plain):
    """The block format, without compression: literals of at most 64 KiB."""
    out = bytearray(varint(len(plain)))
    for at in range(0, len(plain), 1 << 16):
        piece = plain[at : at + (1 << 16)]
        out += bytes([61 << 2]) + struct.pack("<H", len(piece) - 1) + piece
    return bytes(out)


def write(port, series):
    body = snappy(b"".join(nested(1, one) for one in series))
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/v1/write", data=body, method="POST")
    request.add_header("Content-Encoding", "snappy")
    request.add_header("Content-Type", "application/x-protobuf")
    request.add_header("X-Prometheus-Remote-Write-Version", "0.1.0")
    urllib.request.urlopen(request, timeout=10).read()


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: prometheus.py NOTES PORT")
    notes, port = sys.argv[1:]
    histograms, exemplars = [], []
    with open(notes, encoding="utf-8") as lines:
        for line in lines:
            for scope in json.loads(line).get("scopes", []):
                for point in scope["points"]:
                    if point["metric"] != METRIC:
                        continue
                    name = labels(scope, point)
                    ms = point["time_unix_ns"] // 1_000_000
                    histograms.append(name + nested(4, histogram(point, ms)))
                    ordered = sorted(point["exemplars"], key=lambda one: one["time_unix_ns"])
                    if ordered:
                        exemplars.append(name + b"".join(nested(3, exemplar(one)) for one in ordered))
    write(port, histograms)
    # Only of series that are there already.
    write(port, exemplars)


if __name__ == "__main__":
    main()
