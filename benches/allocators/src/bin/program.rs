//! A program that does hardly anything but allocate, under the allocator of the system and under ours.
//!
//! It starts itself again and again, in turns: as it is; counting; sampling a block in 512 KiB; and with the stacks of samples,
//! found by the unwinder. A pass reads JSON into a tree, clones it, writes it out, sorts its words and renders Markdown; the
//! medians of the processor time of passes are compared. `program --quick` takes less time.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use khive_perf::alloc::{HeapSnapshot, TrackingAllocator};
use khive_perf::{Config, configure};
use khive_perf_benches::clock::thread_time;
use pulldown_cmark::{Options, Parser, html};
use serde_json::Value;

type Failure = Box<dyn std::error::Error>;

const MODES: [&str; 4] = ["system", "counting", "sampling", "stacks"];
const MODE: &str = "ALLOCATOR_MODE";
const ROUNDS: usize = 15;
const ROUNDS_QUICK: usize = 3;
const PASSES: usize = 9;

/// Which of the two it is says a word that never changes once the program has begun.
struct Chosen;

static OURS: TrackingAllocator = TrackingAllocator::system();
static IS_OURS: OnceLock<bool> = OnceLock::new();

#[inline]
fn is_ours() -> bool {
    IS_OURS.get() == Some(&true)
}

// SAFETY: hands everything on. Blocks that `System` made before the choice are known to neither table, and ours frees them as
// `System` does.
unsafe impl GlobalAlloc for Chosen {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_ours() {
            // SAFETY: the caller's promises are passed on, here and below.
            unsafe { OURS.alloc(layout) }
        } else {
            // SAFETY: see above.
            unsafe { System.alloc(layout) }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if is_ours() {
            // SAFETY: see above.
            unsafe { OURS.dealloc(block, layout) }
        } else {
            // SAFETY: see above.
            unsafe { System.dealloc(block, layout) }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_ours() {
            // SAFETY: see above.
            unsafe { OURS.alloc_zeroed(layout) }
        } else {
            // SAFETY: see above.
            unsafe { System.alloc_zeroed(layout) }
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if is_ours() {
            // SAFETY: see above.
            unsafe { OURS.realloc(block, layout, size) }
        } else {
            // SAFETY: see above.
            unsafe { System.realloc(block, layout, size) }
        }
    }
}

#[global_allocator]
static ALLOCATOR: Chosen = Chosen;

/// A document of records with texts, about two megabytes.
fn document() -> String {
    let words = [
        "session", "cache", "retry", "refund", "agent", "token", "review", "queue",
    ];
    let mut state = 7_u64;
    let mut next = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).unwrap_or(0)
    };
    let records = (0..4_000).map(|id| {
        let text: Vec<&str> = (0..40).map(|_| words[next() % words.len()]).collect();
        let tags: Vec<String> = (0..5).map(|_| format!("tag-{}", next() % 500)).collect();
        serde_json::json!({ "id": id, "title": format!("**Record** {id}"), "text": text.join(" "), "tags": tags })
    });
    Value::from(records.collect::<Vec<Value>>()).to_string()
}

/// Reads, copies, sorts, renders and writes. The number stands for the work.
fn pass(text: &str) -> Result<usize, Failure> {
    let read: Value = serde_json::from_str(text)?;
    let mut copy = read.clone();
    let mut words: HashMap<String, Vec<u64>> = HashMap::new();
    let mut rendered = BTreeMap::new();
    for record in copy.as_array_mut().into_iter().flatten() {
        let id = record["id"].as_u64().unwrap_or(0);
        for word in record["text"].as_str().unwrap_or_default().split(' ') {
            words.entry(word.to_owned()).or_default().push(id);
        }
        let title = record["title"].as_str().unwrap_or_default().to_owned();
        let mut out = String::new();
        html::push_html(&mut out, Parser::new_ext(&title, Options::all()));
        rendered.insert(title, out);
    }
    let written = serde_json::to_string(&copy)?;
    Ok(written.len() + words.len() + rendered.len())
}

/// Passes in one mode; prints the median of the processor time that they took, in nanoseconds, and the number of samples that there were.
fn work(mode: &str) -> Result<(), Failure> {
    let _ = IS_OURS.set(mode != "system");
    let config = match mode {
        "counting" => Config::default().heap_sample_bytes(0),
        "sampling" => Config::default().heap_stack_frames(0),
        _ => Config::default(),
    };
    configure(config)?;
    let text = document();
    let mut times: Vec<Duration> = Vec::new();
    let mut done = 0;
    for _ in 0..PASSES {
        let begun = thread_time();
        done += pass(&text)?;
        times.push(thread_time().saturating_sub(begun));
    }
    times.sort_unstable();
    let heap = HeapSnapshot::take();
    let allocated: u64 = heap.sites().iter().map(|site| site.allocated()).sum();
    let median = times[PASSES / 2].as_nanos();
    writeln!(std::io::stdout(), "{median} {done} {allocated}")?;
    Ok(())
}

fn main() -> Result<(), Failure> {
    if let Ok(mode) = std::env::var(MODE) {
        return work(&mode);
    }
    let quick = std::env::args().any(|argument| argument == "--quick");
    let mut ratios: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut base_ms = Vec::new();
    for _ in 0..if quick { ROUNDS_QUICK } else { ROUNDS } {
        let mut took = BTreeMap::new();
        for mode in MODES {
            let child = Command::new(std::env::current_exe()?)
                .env(MODE, mode)
                .output()?;
            let answer = String::from_utf8(child.stdout)?;
            let mut fields = answer.split_whitespace();
            let nanos: f64 = fields.next().ok_or("a child said nothing")?.parse()?;
            took.insert(mode, nanos);
        }
        let base = took["system"];
        base_ms.push(base / 1e6);
        for mode in MODES {
            ratios.entry(mode).or_default().push(took[mode] / base);
        }
    }
    base_ms.sort_by(f64::total_cmp);
    let mut out = std::io::stdout();
    writeln!(
        out,
        "a pass under System: {:.1} ms",
        base_ms[base_ms.len() / 2]
    )?;
    for mode in MODES.iter().skip(1) {
        let ratios = ratios.get_mut(mode).ok_or("no rounds")?;
        ratios.sort_by(f64::total_cmp);
        let more = |at: usize| (ratios[at] - 1.0) * 100.0;
        let last = ratios.len() - 1;
        writeln!(
            out,
            "{mode:<10} {:+.1} %  (quarters {:+.1} to {:+.1})",
            more(last / 2),
            more(last / 4),
            more(last - last / 4)
        )?;
    }
    Ok(())
}
