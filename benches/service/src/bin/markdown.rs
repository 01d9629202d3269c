//! pulldown-cmark, a parser, over real text: `markdown FILE`, then for every line it is given it parses the whole text once
//! and answers with `BYTES NANOSECONDS PROCESSOR_NANOSECONDS`. Documents in the file are apart by a zero byte.

#![forbid(unsafe_code)]

use std::error::Error;
use std::io::{self, BufRead as _, Write as _};

use khive_perf_service::{configure, now, process_time};
use pulldown_cmark::{Options, Parser, html};

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let _attached = configure()?;
    let file = std::env::args().nth(1).ok_or("usage: markdown FILE")?;
    let text = std::fs::read_to_string(&file).map_err(|error| format!("`{file}`: {error}"))?;
    let documents: Vec<&str> = text.split('\0').collect();
    for line in io::stdin().lock().lines() {
        line?;
        let (start, start_of_process) = (now(), process_time());
        let bytes: usize = documents.iter().map(|document| render(document)).sum();
        let (took, used) = (
            start.elapsed(),
            process_time().saturating_sub(start_of_process),
        );
        let mut out = io::stdout();
        writeln!(out, "{bytes} {} {}", took.as_nanos(), used.as_nanos())?;
        out.flush()?;
    }
    Ok(())
}

/// Bytes of the HTML.
fn render(document: &str) -> usize {
    let mut rendered = String::with_capacity(document.len() * 3 / 2);
    html::push_html(&mut rendered, Parser::new_ext(document, Options::all()));
    std::hint::black_box(rendered).len()
}
