//! What other tools wrote, and archives: by what they look like, and as a tool by name.
#![no_main]

use khive_perf_analysis::importers::{self, Naming, Tool};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // The input alone is the file, so that files of the tools are inputs, too; its length says as what else it is read.
    let named = Tool::ALL.get(text.len() % Tool::ALL.len()).copied();
    for tool in [None, named] {
        take_in(text, tool);
    }
});

fn take_in(text: &str, tool: Option<Tool>) {
    let naming = Naming {
        name: "fuzz".to_owned(),
        started_unix_ns: 1,
    };
    if let Ok(imported) = importers::parse(text, tool, &naming) {
        // What was read can be written, and read again as the same.
        let archive = importers::write(&imported.runs);
        let again = importers::parse(&archive, Some(Tool::Archive), &naming);
        assert_eq!(again.map(|again| again.runs), Ok(imported.runs));
    }
}
