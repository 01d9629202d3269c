//! Allocators that count, profile or track, each beside the one of the system, on one thread and on two.
//!
//! Every one is set up as its documentation says for use, and called as the compiler calls a global allocator. Ours counts, and
//! samples a block in 512 KiB; its table has 100,000 samples that are alive; with `ALLOCATOR_STACKS=1` in the environment it
//! keeps their stacks. jemalloc profiles at the same rate, unless
//! `_RJEM_MALLOC_CONF=prof:false` in the environment says that it does not.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::io::Write as _;

use dhat::Alloc as Dhat;
use hotpath::{CountingAllocator, Format, HotpathGuardBuilder};
use khive_perf::alloc::{HeapSnapshot, TrackingAllocator};
use khive_perf::{Config, configure};
use khive_perf_benches::threads::pair_on;
use khive_perf_benches::{Bench, Case};
use stats_alloc::StatsAlloc;
use tikv_jemallocator::Jemalloc;
use tracking_allocator::{AllocationGroupId, AllocationRegistry, AllocationTracker, Allocator};

/// Stacks of samples are kept where this is in the environment.
const STACKS: &str = "ALLOCATOR_STACKS";
const CALLS: u32 = 50_000;
const ROUNDS: usize = 101;
/// Samples in our table while it is measured.
const LIVE: usize = 100_000;
/// Where samples still lie on pages of their own, as with the default rate.
const OFTEN: u64 = 32 << 10;
/// Samples begin at multiples of the one, and the other more.
const PAGE: usize = 4_096;
const BESIDE: usize = 128;
const DEFAULT: u64 = 512 << 10;

static OURS: TrackingAllocator = TrackingAllocator::system();
static OURS_OVER_JEMALLOC: TrackingAllocator<Jemalloc> = TrackingAllocator::new(Jemalloc);
static STATS: StatsAlloc<System> = StatsAlloc::system();
static TRACKING: Allocator<System> = Allocator::system();
static HOTPATH: CountingAllocator = CountingAllocator::new();
static DHAT: Dhat = Dhat;

/// One in 512 KiB, as ours.
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static JEMALLOC_CONFIGURATION: &[u8; 45] = b"prof:true,prof_active:true,lg_prof_sample:19\0";

/// Counts nothing itself: what remains is what the crate costs.
struct Nobody;

impl AllocationTracker for Nobody {
    fn allocated(&self, _: usize, _: usize, _: usize, _: AllocationGroupId) {}

    fn deallocated(
        &self,
        _: usize,
        _: usize,
        _: usize,
        _: AllocationGroupId,
        _: AllocationGroupId,
    ) {
    }
}

/// Allocates and frees a block.
#[inline(never)]
fn block<const BYTES: usize>(allocator: &impl GlobalAlloc) -> usize {
    let Ok(layout) = Layout::from_size_align(black_box(BYTES), 8) else {
        return 0;
    };
    // SAFETY: the size is not zero.
    let block = black_box(unsafe { allocator.alloc(layout) });
    if !block.is_null() {
        // SAFETY: it came from this allocator with this layout, and nobody has it.
        unsafe { allocator.dealloc(block, layout) };
    }
    block.addr()
}

/// Each beside the one of the system, on threads of their own: what an allocator leaves of a heap is not the next one's.
fn pairs<const BYTES: usize>(threads: usize) -> Vec<[Case; 2]> {
    let case = |name, f| pair_on(threads, || block::<BYTES>(&System), name, f);
    vec![
        case("TrackingAllocator", || block::<BYTES>(&OURS)),
        case("stats_alloc", || block::<BYTES>(&STATS)),
        case("tracking-allocator", || block::<BYTES>(&TRACKING)),
        case("hotpath", || block::<BYTES>(&HOTPATH)),
        case("dhat", || block::<BYTES>(&DHAT)),
        case("jemalloc", || block::<BYTES>(&Jemalloc)),
        case("TrackingAllocator over jemalloc", || {
            block::<BYTES>(&OURS_OVER_JEMALLOC)
        }),
    ]
}

/// Fills our table with samples that stay alive; says how many there are.
fn fill() -> Result<u64, Box<dyn std::error::Error>> {
    configure(Config::default().heap_sample_bytes(OFTEN))?;
    let layout = Layout::from_size_align(64, 8)?;
    let mut live = 0;
    while live < LIVE as u64 {
        let missing = LIVE - usize::try_from(live)?;
        // A thread of its own, which has not drawn at another rate, and keeps what it makes.
        let filling = std::thread::spawn(move || {
            let mut kept = 0;
            while kept < missing {
                // SAFETY: the size is not zero.
                let block = unsafe { OURS.alloc(layout) };
                if block.is_null() {
                    break;
                }
                if block.addr() % PAGE == BESIDE {
                    // Sampled, or by chance where samples are: it is kept until the end.
                    kept += 1;
                } else {
                    // SAFETY: it came from this allocator with this layout, and nobody has it.
                    unsafe { OURS.dealloc(block, layout) };
                }
            }
        });
        filling.join().map_err(|_| "cannot fill the table")?;
        let heap = HeapSnapshot::take();
        live = heap.sites().iter().map(|site| site.samples()).sum();
    }
    let frames = if std::env::var_os(STACKS).is_some() {
        32
    } else {
        0
    };
    let config = Config::default().heap_sample_bytes(DEFAULT);
    configure(config.heap_stack_frames(frames))?;
    Ok(live)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let _hotpath = HotpathGuardBuilder::new("allocators")
        .format(Format::None)
        .build();
    let _dhat = dhat::Profiler::builder().testing().build();
    AllocationRegistry::set_global_tracker(Nobody)?;
    AllocationRegistry::enable_tracking();
    // First: it configures the process, which `fill` does anew.
    let bench = Bench::new("allocators");
    let live = fill()?;
    writeln!(
        std::io::stdout(),
        "{live} samples are alive in the table of TrackingAllocator"
    )?;
    for threads in [1, 2] {
        let title = |bytes| format!("allocation and free of {bytes}, {threads} threads");
        bench.compare_pairs(&title("64 B"), ROUNDS, CALLS, pairs::<64>(threads));
        bench.compare_pairs(&title("4 KiB"), ROUNDS, CALLS, pairs::<4_096>(threads));
    }
    Ok(())
}
