//! Stacks of sampled blocks: taken in the hook, named when somebody asks, and told by snapshots, assertions and leak reports.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use khive_perf::alloc::{HeapGrouping, HeapSnapshot, TrackingAllocator};
use khive_perf::leak::{LeakConfig, LeakDetector, Verdict};
use khive_perf::measure;
use khive_perf::testing::{Capture, ManualClock, assert_no_leaks};
use prost::Message as _;

#[global_allocator]
static ALLOCATOR: TrackingAllocator = TrackingAllocator::system();

type Kept = Vec<Vec<u8>>;

const FIRST: u32 = line!() + 3;
#[inline(never)]
fn first(bytes: usize) -> Vec<u8> {
    std::hint::black_box(Vec::with_capacity(bytes))
}

const SECOND: u32 = line!() + 3;
#[inline(never)]
fn second(bytes: usize) -> Vec<u8> {
    std::hint::black_box(vec![0; bytes])
}

/// Two lines of one measured function allocate.
#[measure]
fn keep(kept: &mut Kept) {
    kept.push(first(1_000));
    kept.push(second(3_000));
}

fn here(line: u32) -> String {
    format!("{}:{line}", file!())
}

/// What is alive after `keep`, with stacks.
fn snapshot() -> HeapSnapshot {
    let mut kept = Vec::with_capacity(16);
    let (snapshot, _) = Capture::new().stacks().run(|| {
        keep(&mut kept);
        HeapSnapshot::take()
    });
    snapshot
}

#[cfg(target_os = "linux")]
#[test]
fn two_lines_of_a_function_are_two_sites() {
    let snapshot = snapshot();
    let alive = snapshot.filter(|site| site.bytes() > 0);
    assert_eq!(alive.group_by(HeapGrouping::Callsite).len(), 1);
    assert_eq!(alive.group_by(HeapGrouping::Path).len(), 1);
    assert_eq!(alive.group_by(HeapGrouping::Stack).len(), 2);
    assert!(alive.sites().iter().all(|site| site.line().is_none()));

    let named = alive.named();
    let by_line = named.group_by(HeapGrouping::Line);
    let lines: Vec<_> = by_line
        .iter()
        .map(|group| (group.key().rsplit('/').next(), group.bytes()))
        .collect();
    let expected = [here(SECOND), here(FIRST)];
    let expected: Vec<_> = expected
        .iter()
        .map(|line| line.rsplit('/').next())
        .collect();
    assert_eq!(lines, [(expected[0], 3_000), (expected[1], 1_000)]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_named_stack_goes_from_the_allocation_to_the_measured_function() {
    let named = snapshot().named();
    let site = &named.sites()[0];
    let functions: Vec<&str> = site
        .stack()
        .iter()
        .flat_map(|frame| frame.symbols())
        .map(|symbol| symbol.function())
        .collect();
    let of = |name: &str| {
        functions
            .iter()
            .position(|function| function.contains(name))
    };
    // One that was inlined is called by its last name.
    assert!(of("heap_stacks::second") < of("keep"), "{functions:?}");
    let last = functions.last().expect("there is one");
    assert!(last.split("::").any(|part| part == "keep"), "{functions:?}");
    let own = functions
        .iter()
        .find(|function| function.starts_with("khive_perf::") || function.contains("__rust"));
    assert_eq!(own, None, "{functions:?}");

    let folded = named.folded();
    let line = folded.lines().find(|line| line.ends_with(" 3000"));
    assert!(
        line.is_some_and(|line| line.contains("heap_stacks::second")),
        "{folded}"
    );
}

#[test]
fn a_snapshot_with_stacks_is_saved_and_loaded() {
    let folder = std::env::temp_dir().join(format!("khive-perf-stacks-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("there is room");
    for snapshot in [snapshot(), snapshot().named()] {
        let file = folder.join("heap.txt");
        snapshot.save(&file).expect("it can be written");
        assert_eq!(HeapSnapshot::load(&file).expect("it was saved"), snapshot);
    }
    std::fs::remove_dir_all(&folder).expect("it is there");
}

/// The parts of a profile that tell where code was loaded.
#[derive(Clone, PartialEq, prost::Message)]
struct Profile {
    #[prost(message, repeated, tag = "3")]
    mappings: Vec<Mapping>,
    #[prost(message, repeated, tag = "4")]
    locations: Vec<Location>,
    #[prost(string, repeated, tag = "6")]
    texts: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Mapping {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "2")]
    start: u64,
    #[prost(uint64, tag = "3")]
    limit: u64,
    #[prost(int64, tag = "5")]
    file: i64,
    #[prost(bool, tag = "7")]
    has_functions: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Location {
    #[prost(uint64, tag = "2")]
    mapping: u64,
    #[prost(uint64, tag = "3")]
    address: u64,
}

#[cfg(target_os = "linux")]
#[test]
fn a_profile_says_in_which_file_each_address_is() {
    for (snapshot, is_named) in [(snapshot(), false), (snapshot().named(), true)] {
        let profile = Profile::decode(&*snapshot.pprof()).expect("it is a profile");
        let program = std::env::current_exe().expect("it has a path");
        let files = profile.mappings.iter().map(|mapping| {
            let file = usize::try_from(mapping.file).expect("an index");
            profile.texts[file].as_str()
        });
        let files: BTreeSet<&str> = files.collect();
        assert!(
            files.contains(program.to_str().expect("it is text")),
            "{files:?}"
        );
        let mut addresses = 0;
        for location in profile
            .locations
            .iter()
            .filter(|location| location.address > 0)
        {
            let mapping = profile.mappings.iter();
            let mapping = mapping
                .clone()
                .find(|mapping| mapping.id == location.mapping);
            let mapping = mapping.expect("each address is in a file");
            assert!((mapping.start..mapping.limit).contains(&location.address));
            assert_eq!(mapping.has_functions, is_named);
            addresses += 1;
        }
        assert!(addresses > 1, "{addresses}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_failed_assertion_names_the_line() {
    let mut kept = Vec::with_capacity(16);
    let failed = catch_unwind(AssertUnwindSafe(|| assert_no_leaks!(keep(&mut kept))));
    let message = *failed.unwrap_err().downcast::<String>().expect("a text");
    for line in [here(FIRST), here(SECOND)] {
        let line = line.rsplit('/').next().expect("there is one");
        assert!(message.contains(line), "{message}");
    }
    // Also where no function is measured.
    let failed = catch_unwind(AssertUnwindSafe(|| assert_no_leaks!(kept.push(first(77)))));
    let message = *failed.unwrap_err().downcast::<String>().expect("a text");
    let line = here(FIRST);
    let line = line.rsplit('/').next().expect("there is one");
    assert!(message.contains(line), "{message}");
}

/// Most of what it makes goes again; one line of it keeps.
#[measure]
fn serve(kept: &mut Kept, request: u32) -> usize {
    let reply = second(500);
    if request.is_multiple_of(4) {
        kept.push(first(120));
    }
    reply.len()
}

#[cfg(target_os = "linux")]
#[test]
fn a_leak_is_named_with_the_line_that_made_it() {
    let clock = ManualClock::new();
    let (report, _) = Capture::new().clock(&clock).stacks().run(|| {
        let mut detector = LeakDetector::new(LeakConfig::default());
        // Old, but no leak.
        let mut kept: Kept = Vec::with_capacity(4_096);
        kept.push(second(9_000));
        for request in 0..1_200 {
            clock.advance(Duration::from_secs(12));
            serve(&mut kept, request);
            if request % 5 == 4 {
                detector.observe();
            }
        }
        detector.report()
    });
    let found = report.callsite("serve").expect("it was called");
    assert_eq!(found.verdict(), Verdict::Leaking, "{report}");
    assert!(found.origin().stack[0].starts_with("0x"), "{report}");
    assert_eq!(found.line(), None);

    let named = report.named();
    let found = named.callsite("serve").expect("it was called");
    let (file, line) = found.line().expect("it is named");
    assert!(file.ends_with("heap_stacks.rs"), "{file}");
    assert_eq!(line, FIRST, "{named}");
    let text = named.to_string();
    assert!(
        text.contains("made at") && text.contains("heap_stacks::first"),
        "{text}"
    );
}

#[test]
fn without_being_asked_a_capture_keeps_no_stacks() {
    let mut kept = Vec::with_capacity(16);
    let (snapshot, _) = Capture::new().run(|| {
        keep(&mut kept);
        HeapSnapshot::take()
    });
    assert!(snapshot.sites().iter().all(|site| site.stack().is_empty()));
}
