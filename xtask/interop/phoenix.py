"""Arize Phoenix as a receiver of traces: starts it, runs a program that sends to it, and reads back what it stored.

usage: phoenix.py PROGRAM ANSWER OUT

Runs PROGRAM ANSWER with the OTEL_* variables set, and writes the spans that Phoenix then has to OUT, as a list of
objects. Phoenix listens for gRPC on every address, so this must run in a network namespace of its own, where no
interface is up but the one that this brings up: loopback.
"""

import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

PORT, GRPC_PORT = 6006, 4317
BASE = f"http://127.0.0.1:{PORT}"
START_SECONDS, STORE_SECONDS = 240, 180
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def bring_up_loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh", b"lo", 0)
        _, flags = struct.unpack("16sh", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | IFF_UP))


def get(path, **query):
    url = f"{BASE}{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def wait_until(seconds, what, found):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            result = found()
            if result is not None:
                return result
        except OSError:
            pass
        time.sleep(0.2)
    sys.exit(f"phoenix: {what} did not happen within {seconds} s")


def is_up():
    with urllib.request.urlopen(f"{BASE}/healthz", timeout=5) as answer:
        return answer.status == 200 or None


def stored(count):
    spans, cursor = [], None
    while True:
        query = {"limit": 500} | ({"cursor": cursor} if cursor else {})
        page = get("/v1/projects/default/spans/otlpv1", **query)
        spans += page["data"]
        cursor = page.get("next_cursor")
        if not cursor:
            return spans if len(spans) >= count else None


def plain(span):
    return {
        "trace_id": span["trace_id"],
        "span_id": span["span_id"],
        "parent_id": span.get("parent_span_id") or "",
        "name": span["name"],
        "failed": (span.get("status") or {}).get("code") == 2,
        "start_unix_ns": int(span["start_time_unix_nano"]),
        "end_unix_ns": int(span["end_time_unix_nano"]),
    }


def main():
    if len(sys.argv) != 4:
        sys.exit("usage: phoenix.py PROGRAM ANSWER OUT")
    program, answer, out = sys.argv[1:]
    bring_up_loopback()
    with tempfile.TemporaryDirectory() as directory:
        settings = {
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(PORT),
            "PHOENIX_GRPC_PORT": str(GRPC_PORT),
            "PHOENIX_WORKING_DIR": directory,
            "PHOENIX_TELEMETRY_ENABLED": "false",
        }
        command = [os.path.join(os.path.dirname(sys.executable), "phoenix"), "serve"]
        phoenix = subprocess.Popen(command, env=os.environ | settings, stdin=subprocess.DEVNULL)
        try:
            wait_until(START_SECONDS, "its start", is_up)
            traces = {
                "OTEL_METRICS_EXPORTER": "none",
                "OTEL_LOGS_EXPORTER": "none",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
                "OTEL_EXPORTER_OTLP_ENDPOINT": BASE,
                "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
            }
            subprocess.run([program, answer], env=os.environ | traces, check=True)
            with open(answer, encoding="utf-8") as file:
                count = json.load(file)["span_count"]
            spans = wait_until(STORE_SECONDS, f"storing {count} spans", lambda: stored(count))
        finally:
            phoenix.terminate()
            phoenix.wait()
    with open(out, "w", encoding="utf-8") as file:
        json.dump([plain(span) for span in spans], file)


if __name__ == "__main__":
    main()
