//! What the fuzzers of the receiver start from: requests that are taken in whole, in either encoding.
//!
//! `KHIVE_PERF_BLESS=1` writes those in protobuf anew, of those in JSON.

use std::fs;
use std::path::Path;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use serde::de::DeserializeOwned;

#[test]
fn the_requests_in_protobuf_are_those_in_json() {
    same::<ExportMetricsServiceRequest>("metrics");
    same::<ExportTraceServiceRequest>("traces");
    same::<ExportLogsServiceRequest>("logs");
}

fn same<Request: DeserializeOwned + Message>(name: &str) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/requests");
    let text = fs::read(directory.join("json").join(format!("{name}.json"))).unwrap();
    let request: Request = serde_json::from_slice(&text).unwrap();
    let encoded = request.encode_to_vec();
    assert!(!encoded.is_empty(), "{name}");
    let path = directory.join("protobuf").join(name);
    if std::env::var_os("KHIVE_PERF_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &encoded).unwrap();
    }
    assert!(
        fs::read(&path).unwrap() == encoded,
        "{name} is another request; bless it with KHIVE_PERF_BLESS=1"
    );
}
