//! A program that does hardly anything but allocate, under the allocator of the system and under ours.
//!
//! It starts itself four times at once: as it is; counting; sampling a block in 512 KiB; and with the stacks of samples, found by
//! the unwinder. These take turns, a pass each, and a pass is compared with that of the same turn under the system's: the
//! machine's speed drifts from second to second. After some turns they are started anew, with other memory in use, the same in
//! all four: whether the allocator gives the end of its heap back to the system after each pass, or never, depends on what
//! happens to lie there, and is worth more than what is measured here. A pass reads JSON into a tree, clones it, writes it out,
//! sorts its words and renders Markdown; what is compared is its processor time. `program --quick` takes less time.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use khive_perf::alloc::TrackingAllocator;
use khive_perf::{Config, configure};
use khive_perf_benches::clock::thread_time;
use khive_perf_benches::median;
use pulldown_cmark::{Options, Parser, html};
use serde_json::Value;

type Failure = Box<dyn std::error::Error>;

const MODES: [&str; 4] = ["system", "counting", "sampling", "stacks"];
const MODE: &str = "ALLOCATOR_MODE";
const START: &str = "ALLOCATOR_START";
const STARTS: usize = 30;
const STARTS_QUICK: usize = 4;
const TURNS: usize = 12;
/// Turns until caches and heaps are as they will be.
const WARM_UP: usize = 3;

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

/// Numbers that look as if they were drawn.
fn numbers(seed: u64) -> impl FnMut() -> usize {
    let mut state = seed;
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).unwrap_or(0)
    }
}

/// Up to four megabytes, in blocks with holes between them: what else a program holds.
fn ballast(start: u64) -> Vec<Vec<u8>> {
    let mut next = numbers(start);
    let blocks = next() % 4_096;
    let mut held: Vec<Vec<u8>> = (0..blocks).map(|_| vec![1; 16 + next() % 2_048]).collect();
    held.retain(|block| block.len() % 4 != 0);
    held
}

/// A document of records with texts, about two megabytes.
fn document() -> String {
    let words = [
        "session", "cache", "retry", "refund", "agent", "token", "review", "queue",
    ];
    let mut next = numbers(7);
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

/// A pass in one mode for each line that comes; answers with its processor time in nanoseconds, and a number that stands for
/// the work.
fn work(mode: &str) -> Result<(), Failure> {
    let _ = IS_OURS.set(mode != "system");
    let config = match mode {
        "counting" => Config::default().heap_sample_bytes(0),
        "sampling" => Config::default().heap_stack_frames(0),
        _ => Config::default(),
    };
    configure(config)?;
    let start = std::env::var(START)?.parse()?;
    let _held = ballast(start);
    let text = document();
    for line in io::stdin().lock().lines() {
        line?;
        let begun = thread_time();
        let done = pass(&text)?;
        let took = thread_time().saturating_sub(begun);
        let mut out = io::stdout();
        writeln!(out, "{} {done}", took.as_nanos())?;
        out.flush()?;
    }
    Ok(())
}

/// The program in one mode, waiting for its turn. It ends with its input.
struct Worker {
    child: Child,
    turn: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    fn start(mode: &str, start: usize) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .env(MODE, mode)
            .env(START, start.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let turn = child.stdin.take();
        let answers = child.stdout.take().ok_or("a child without output")?;
        Ok(Self {
            child,
            turn,
            answers: BufReader::new(answers),
        })
    }

    /// Has it make a pass; says how long that took, in milliseconds, and what was done.
    fn pass(&mut self) -> Result<(f64, usize), Failure> {
        let turn = self.turn.as_mut().ok_or("a child without input")?;
        writeln!(turn)?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        let (nanos, done) = answer
            .trim()
            .split_once(' ')
            .ok_or("a child said nothing")?;
        Ok((nanos.parse::<f64>()? / 1e6, done.parse()?))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.turn.take());
        // One that failed has said so.
        let _ = self.child.wait();
    }
}

fn main() -> Result<(), Failure> {
    if let Ok(mode) = std::env::var(MODE) {
        return work(&mode);
    }
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let starts = if is_quick { STARTS_QUICK } else { STARTS };
    let mut more: [Vec<f64>; MODES.len()] = std::array::from_fn(|_| Vec::new());
    let mut plain = Vec::new();
    for start in 0..starts {
        let workers = MODES.into_iter().map(|mode| Worker::start(mode, start));
        let mut workers: Vec<Worker> = workers.collect::<Result<_, _>>()?;
        for turn in 0..WARM_UP + TURNS {
            let mut took = [0.0; MODES.len()];
            let mut done = [0; MODES.len()];
            for at in 0..MODES.len() {
                // Every other turn goes backwards, so that no mode has always the same one before it.
                let at = if turn % 2 == 0 {
                    at
                } else {
                    MODES.len() - 1 - at
                };
                (took[at], done[at]) = workers[at].pass()?;
            }
            if done.iter().any(|one| *one != done[0]) {
                return Err("the modes did not do the same".into());
            }
            if turn >= WARM_UP {
                plain.push(took[0]);
                for (more, took_it) in more.iter_mut().zip(took) {
                    more.push((took_it / took[0] - 1.0) * 100.0);
                }
            }
        }
    }
    let mut out = io::stdout();
    writeln!(out, "a pass under System: {:.1} ms", median(plain).value)?;
    for (mode, more) in MODES.iter().zip(more).skip(1) {
        let more = median(more);
        writeln!(
            out,
            "{mode:<10} {:+.1} %  (in 95 of 100: {:+.1} to {:+.1})",
            more.value, more.low, more.high
        )?;
    }
    Ok(())
}
