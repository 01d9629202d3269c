//! Heap snapshots of a process: what is asked of them, and what other tools read.

use khive_perf::alloc::{HeapGrouping, HeapSnapshot, TrackingAllocator};
use khive_perf::measure;
use khive_perf::testing::capture;
use prost::Message as _;

#[global_allocator]
static ALLOCATOR: TrackingAllocator = TrackingAllocator::system();

#[measure(group = "session")]
fn keep(kept: &mut Vec<Vec<u8>>, bytes: usize) {
    kept.push(Vec::with_capacity(bytes));
}

#[measure]
fn login(kept: &mut Vec<Vec<u8>>) {
    keep(kept, 1_000);
    keep(kept, 3_000);
}

#[measure]
fn refresh(kept: &mut Vec<Vec<u8>>) {
    keep(kept, 500);
}

/// Snapshots before and after a refresh, and the sum of what is kept.
fn snapshots() -> (HeapSnapshot, HeapSnapshot) {
    let mut kept = Vec::with_capacity(16);
    let (taken, _) = capture(|| {
        login(&mut kept);
        let before = HeapSnapshot::take();
        refresh(&mut kept);
        drop(kept.swap_remove(0));
        (before, HeapSnapshot::take())
    });
    taken
}

#[test]
fn sites_are_put_together_as_is_asked() {
    let (before, after) = snapshots();
    let groups = |by| {
        let groups = before.group_by(by).into_iter();
        let groups = groups.filter(|group| group.bytes() > 0);
        groups
            .map(|group| (group.key().to_owned(), group.bytes(), group.sites()))
            .collect::<Vec<_>>()
    };
    let of = |name: &str| format!("heap_snapshot::{name}");
    assert_eq!(groups(HeapGrouping::Callsite), [(of("keep"), 4_000, 1)]);
    let path = format!("{} > {}", of("login"), of("keep"));
    assert_eq!(groups(HeapGrouping::Path), [(path, 4_000, 1)]);
    assert_eq!(groups(HeapGrouping::Root), [(of("login"), 4_000, 1)]);
    assert_eq!(
        groups(HeapGrouping::Group),
        [("session".to_owned(), 4_000, 1)]
    );
    assert!(
        groups(HeapGrouping::File)[0]
            .0
            .ends_with("heap_snapshot.rs")
    );

    let by_root = after.since(&before, HeapGrouping::Root);
    let growth: Vec<_> = by_root
        .iter()
        .map(|change| (change.key().to_owned(), change.growth(), change.is_sure()))
        .collect();
    assert_eq!(
        growth,
        [(of("refresh"), 500, true), (of("login"), -1_000, true)]
    );
    let large = after.filter(|site| site.bytes() >= 1_000);
    assert_eq!((large.bytes(), large.sites().len()), (3_000, 1));
    assert_eq!(after.top(1).bytes(), 3_000);
}

#[test]
fn a_snapshot_is_saved_and_loaded() {
    let (_, snapshot) = snapshots();
    let path = std::env::temp_dir().join(format!("khive-perf-heap-{}", std::process::id()));
    snapshot.save(&path).expect("written");
    let loaded = HeapSnapshot::load(&path).expect("read");
    std::fs::remove_file(&path).expect("removed");
    assert_eq!(loaded, snapshot);
    let error = HeapSnapshot::load(&path).expect_err("it is gone");
    assert!(error.to_string().starts_with("cannot be read"), "{error}");
}

#[test]
fn folded_stacks_have_a_line_for_each_site() {
    let (before, _) = snapshots();
    let line = "heap_snapshot::login;heap_snapshot::keep 4000\n";
    assert_eq!(before.folded(), line);
}

/// What of <https://github.com/google/pprof/blob/main/proto/profile.proto> is written, declared for another reader.
mod profile {
    #[derive(prost::Message)]
    pub(crate) struct Profile {
        #[prost(message, repeated, tag = "1")]
        pub(crate) sample_type: Vec<ValueType>,
        #[prost(message, repeated, tag = "2")]
        pub(crate) sample: Vec<Sample>,
        #[prost(message, repeated, tag = "4")]
        pub(crate) location: Vec<Location>,
        #[prost(message, repeated, tag = "5")]
        pub(crate) function: Vec<Function>,
        #[prost(string, repeated, tag = "6")]
        pub(crate) string_table: Vec<String>,
        #[prost(int64, tag = "9")]
        pub(crate) time_nanos: i64,
        #[prost(int64, tag = "14")]
        pub(crate) default_sample_type: i64,
    }

    #[derive(prost::Message)]
    pub(crate) struct ValueType {
        #[prost(int64, tag = "1")]
        pub(crate) kind: i64,
        #[prost(int64, tag = "2")]
        pub(crate) unit: i64,
    }

    #[derive(prost::Message)]
    pub(crate) struct Sample {
        #[prost(uint64, repeated, tag = "1")]
        pub(crate) location_id: Vec<u64>,
        #[prost(int64, repeated, tag = "2")]
        pub(crate) value: Vec<i64>,
    }

    #[derive(prost::Message)]
    pub(crate) struct Location {
        #[prost(uint64, tag = "1")]
        pub(crate) id: u64,
        #[prost(uint64, tag = "3")]
        pub(crate) address: u64,
        #[prost(message, repeated, tag = "4")]
        pub(crate) line: Vec<Line>,
    }

    #[derive(prost::Message)]
    pub(crate) struct Line {
        #[prost(uint64, tag = "1")]
        pub(crate) function_id: u64,
        #[prost(int64, tag = "2")]
        pub(crate) line: i64,
    }

    #[derive(prost::Message)]
    pub(crate) struct Function {
        #[prost(uint64, tag = "1")]
        pub(crate) id: u64,
        #[prost(int64, tag = "2")]
        pub(crate) name: i64,
        #[prost(int64, tag = "3")]
        pub(crate) system_name: i64,
        #[prost(int64, tag = "4")]
        pub(crate) filename: i64,
    }
}

#[test]
fn a_profile_is_read_by_others() {
    let (before, _) = snapshots();
    let read = profile::Profile::decode(&*before.pprof()).expect("it is a profile");
    let text = |number: i64| read.string_table[usize::try_from(number).unwrap()].as_str();
    assert_eq!(text(0), "");
    let kinds: Vec<_> = read
        .sample_type
        .iter()
        .map(|it| (text(it.kind), text(it.unit)))
        .collect();
    assert_eq!(
        kinds,
        [
            ("inuse_objects", "count"),
            ("inuse_space", "bytes"),
            ("alloc_space", "bytes")
        ]
    );
    assert_eq!(text(read.default_sample_type), "inuse_space");
    assert_eq!(
        u64::try_from(read.time_nanos).unwrap(),
        before.time_unix_ns()
    );
    let kept = read
        .sample
        .iter()
        .find(|sample| sample.value[1] == 4_000)
        .unwrap();
    assert_eq!(kept.value[0], 2);
    let names: Vec<_> = kept
        .location_id
        .iter()
        .map(|id| {
            let location = read.location.iter().find(|it| it.id == *id).unwrap();
            let function = location.line[0].function_id;
            let function = read.function.iter().find(|it| it.id == function).unwrap();
            text(function.name)
        })
        .collect();
    assert_eq!(names, ["heap_snapshot::keep", "heap_snapshot::login"]);
}
