//! What other tools wrote, and archives: by what they look like, and as each tool by name.
#![no_main]

use khive_perf_analysis::importers::{self, Naming, Tool};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &str)| {
    let (tool, text) = input;
    let naming = Naming {
        name: "fuzz".to_owned(),
        started_unix_ns: 1,
    };
    let tool = Tool::ALL.get(usize::from(tool) % (Tool::ALL.len() + 1));
    if let Ok(imported) = importers::parse(text, tool.copied(), &naming) {
        // What was read can be written, and read again as the same.
        let archive = importers::write(&imported.runs);
        let again = importers::parse(&archive, Some(Tool::Archive), &naming);
        assert_eq!(again.map(|again| again.runs), Ok(imported.runs));
    }
});
