"""ClickHouse, in process by chdb: stores exponential histograms in the table that OpenTelemetry Collector's exporter makes, and
reads quantiles back by SQL.

usage: clickhouse.py NOTES OUT

NOTES are those of decoder.py. Writes [[attributes, [p50, p95, p99]], ..] in seconds to OUT.
"""

import json
import sys

from chdb import session

QUANTILES = (0.5, 0.95, 0.99)
METRIC = "khive.perf.function.duration"

# clickhouseexporter/internal/sqltemplates/metrics_exp_histogram_table.sql, without codecs, indexes and the time to live.
TABLE = """
CREATE TABLE otel_metrics_exponential_histogram (
    ResourceAttributes Map(LowCardinality(String), String),
    ResourceSchemaUrl String,
    ScopeName String,
    ScopeVersion String,
    ScopeAttributes Map(LowCardinality(String), String),
    ScopeDroppedAttrCount UInt32,
    ScopeSchemaUrl String,
    ServiceName LowCardinality(String),
    MetricName String,
    MetricDescription String,
    MetricUnit String,
    Attributes Map(LowCardinality(String), String),
    StartTimeUnix DateTime64(9),
    TimeUnix DateTime64(9),
    Count UInt64,
    Sum Float64,
    Scale Int32,
    ZeroCount UInt64,
    PositiveOffset Int32,
    PositiveBucketCounts Array(UInt64),
    NegativeOffset Int32,
    NegativeBucketCounts Array(UInt64),
    Exemplars Nested (
        FilteredAttributes Map(LowCardinality(String), String),
        TimeUnix DateTime64(9),
        Value Float64,
        SpanId String,
        TraceId String
    ),
    Flags UInt32,
    Min Float64,
    Max Float64,
    AggregationTemporality Int32
) ENGINE = MergeTree()
PARTITION BY toDate(TimeUnix)
ORDER BY (ServiceName, MetricName, Attributes, toUnixTimestamp64Nano(TimeUnix))
"""

# A bucket holds (base^i, base^(i+1)], base being 2^(2^-scale); inside of it the ranks are spread evenly over the exponent.
QUANTILE = """
SELECT
    Attributes,
    arrayMap(
        q -> if(
            q * Count <= ZeroCount,
            0,
            pow(2, pow(2, -Scale) * (
                PositiveOffset + arrayFirstIndex(c -> c >= q * Count - ZeroCount, upto) - 1
                + (
                    q * Count - ZeroCount
                    - if(arrayFirstIndex(c -> c >= q * Count - ZeroCount, upto) = 1, 0,
                         upto[arrayFirstIndex(c -> c >= q * Count - ZeroCount, upto) - 1])
                ) / PositiveBucketCounts[arrayFirstIndex(c -> c >= q * Count - ZeroCount, upto)]
            ))
        ),
        [{quantiles}]
    ) AS quantiles
FROM (
    SELECT *, arrayCumSum(PositiveBucketCounts) AS upto
    FROM otel_metrics_exponential_histogram
    WHERE MetricName = '{metric}'
    ORDER BY TimeUnix DESC
    LIMIT 1 BY ServiceName, Attributes
)
FORMAT JSONEachRow
"""


def text(value):
    """As the exporter writes attributes, which are all texts there."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def seconds(ns):
    return f"{ns // 10**9}.{ns % 10**9:09}"


def row(scope, point):
    exemplars = point["exemplars"]
    texts = {key: text(value) for key, value in scope["resource"].items()}
    return {
        "ResourceAttributes": texts,
        "ScopeName": scope["scope"]["name"],
        "ScopeVersion": scope["scope"]["version"],
        "ServiceName": texts.get("service.name", ""),
        "MetricName": point["metric"],
        "MetricUnit": point["unit"],
        "Attributes": {key: text(value) for key, value in point["attributes"].items()},
        "StartTimeUnix": seconds(point["start_unix_ns"]),
        "TimeUnix": seconds(point["time_unix_ns"]),
        "Count": point["count"],
        "Sum": point["sum"],
        "Scale": point["scale"],
        "ZeroCount": point["zero_count"],
        "PositiveOffset": point["positive"]["offset"],
        "PositiveBucketCounts": point["positive"]["counts"],
        "NegativeOffset": point["negative"]["offset"],
        "NegativeBucketCounts": point["negative"]["counts"],
        "Exemplars.FilteredAttributes": [{} for _ in exemplars],
        "Exemplars.TimeUnix": [seconds(one["time_unix_ns"]) for one in exemplars],
        "Exemplars.Value": [one["seconds"] for one in exemplars],
        "Exemplars.SpanId": [one["span_id"] for one in exemplars],
        "Exemplars.TraceId": [one["trace_id"] for one in exemplars],
        "Min": point["min"] or 0,
        "Max": point["max"] or 0,
        "AggregationTemporality": 2,
    }


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: clickhouse.py NOTES OUT")
    notes, out = sys.argv[1:]
    rows = []
    with open(notes, encoding="utf-8") as lines:
        for line in lines:
            for scope in json.loads(line).get("scopes", []):
                points = [point for point in scope["points"] if "scale" in point]
                rows += [json.dumps(row(scope, point)) for point in points]
    database = session.Session()
    database.query("CREATE DATABASE IF NOT EXISTS otel ENGINE = Atomic")
    database.query("USE otel")
    database.query(TABLE)
    values = "\n".join(rows)
    database.query(f"INSERT INTO otel_metrics_exponential_histogram FORMAT JSONEachRow\n{values}")
    quantiles = ", ".join(str(quantile) for quantile in QUANTILES)
    answer = str(database.query(QUANTILE.format(quantiles=quantiles, metric=METRIC), "JSONEachRow"))
    found = [json.loads(line) for line in answer.splitlines() if line.strip()]
    with open(out, "w", encoding="utf-8") as file:
        json.dump([[one["Attributes"], one["quantiles"]] for one in found], file)


if __name__ == "__main__":
    main()
