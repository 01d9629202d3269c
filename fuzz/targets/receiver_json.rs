//! Bodies of OTLP requests in JSON.
#![no_main]

use khive_perf_analysis::receiver::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| fuzzing::json(body));
