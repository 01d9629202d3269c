//! tantivy, a full-text index, over real text: `index FILE`, then for every line it is given it indexes all paragraphs of
//! the text anew, searches for many words, and answers with `HITS NANOSECONDS PROCESSOR_NANOSECONDS`.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{self, BufRead as _, Write as _};

use khive_perf_service::{configure, now, process_time};
use tantivy::collector::{Count, TopDocs};
use tantivy::query::QueryParser;
use tantivy::schema::{STORED, Schema, TEXT};
use tantivy::{Index, doc};

type Failure = Box<dyn Error + Send + Sync>;

/// What the writer may keep in memory before it makes a segment.
const MEMORY_BYTES: usize = 64 << 20;
/// Bytes of text: the parser reads the text again and again, one copy is enough here.
const TEXT_LEN_MAX: usize = 4 << 20;
const QUERIES: usize = 2_000;

fn main() -> Result<(), Failure> {
    let _attached = configure()?;
    let file = std::env::args().nth(1).ok_or("usage: index FILE")?;
    let text = std::fs::read_to_string(&file).map_err(|error| format!("`{file}`: {error}"))?;
    let text = text
        .get(..text.floor_char_boundary(TEXT_LEN_MAX))
        .unwrap_or_default();
    let paragraphs: Vec<&str> = text
        .split(['\0'])
        .flat_map(|document| document.split("\n\n"))
        .collect();
    let queries = queries(text);
    for line in io::stdin().lock().lines() {
        line?;
        let (start, start_of_process) = (now(), process_time());
        let hits = index_and_search(&paragraphs, &queries)?;
        let (took, used) = (
            start.elapsed(),
            process_time().saturating_sub(start_of_process),
        );
        let mut out = io::stdout();
        writeln!(out, "{hits} {} {}", took.as_nanos(), used.as_nanos())?;
        out.flush()?;
    }
    Ok(())
}

/// Pairs of words of the text, of which either may be in a paragraph.
fn queries(text: &str) -> Vec<String> {
    let is_word =
        |word: &&str| word.len() > 3 && word.chars().all(|letter| letter.is_ascii_lowercase());
    let words: BTreeSet<&str> = text.split_whitespace().filter(is_word).collect();
    let words: Vec<&str> = words.into_iter().collect();
    words
        .chunks(2)
        .take(QUERIES)
        .map(|pair| pair.join(" "))
        .collect()
}

fn index_and_search(paragraphs: &[&str], queries: &[String]) -> Result<usize, Failure> {
    let mut schema = Schema::builder();
    let body = schema.add_text_field("body", TEXT | STORED);
    let index = Index::create_in_ram(schema.build());
    let mut writer = index.writer_with_num_threads(1, MEMORY_BYTES)?;
    for paragraph in paragraphs {
        writer.add_document(doc!(body => *paragraph))?;
    }
    writer.commit()?;
    let searcher = index.reader()?.searcher();
    let parser = QueryParser::for_index(&index, vec![body]);
    let mut hits = 0;
    for query in queries {
        let query = parser.parse_query(query)?;
        let (top, count) =
            searcher.search(&query, &(TopDocs::with_limit(10).order_by_score(), Count))?;
        hits += top.len() + count;
    }
    Ok(hits)
}
