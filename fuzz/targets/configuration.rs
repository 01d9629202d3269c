//! Configuration files, of either kind.
#![no_main]

use std::path::Path;

use khive_perf_analysis::config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for name in ["khive-perf.toml", "khive-perf.yaml"] {
        if let Ok(config) = config::parse(text, Path::new(name)) {
            let _ = config.in_environment(None);
        }
    }
});
