//! What the tracking allocator knows: sampled blocks that are alive, and where they were allocated.

use std::collections::{BTreeMap, HashSet};

use crate::alloc::is_installed;
use crate::leak::census::{Census, Kind, Live, Origin, OriginId};
use crate::registry::live::{Place, Scope, SiteId};

/// What has been described before.
#[derive(Debug, Default)]
pub(super) struct Heap {
    origins: HashSet<OriginId>,
    stacks: HashSet<SiteId>,
}

/// As blocks are known that no measured function has allocated.
const OUTSIDE: &str = "(outside of measured functions)";

impl Heap {
    /// Adds the blocks of a scope to a census, and says if nothing is known of any.
    pub(super) fn add_to(
        &mut self,
        census: &mut Census,
        scope: &Scope,
        unknown: &mut Vec<(Kind, String)>,
    ) {
        if !is_installed() {
            let says = "the program's global allocator is no `TrackingAllocator`, or has sampled nothing yet";
            unknown.push((Kind::Heap, says.to_owned()));
            return;
        }
        let mut bytes = 0.0;
        scope.census(|sample| {
            bytes += sample.bytes;
            let origin = origin_of(scope, sample.site);
            let live = Live::new(sample.id, origin, sample.born, sample.size)
                .standing_for(sample.blocks)
                .with_stack(stack_of(sample.site));
            census
                .live
                .push(if sample.grown > 0 { live.grown() } else { live });
        });
        census.live_heap = Some(bytes as u64);
        let mut made: BTreeMap<OriginId, f64> = BTreeMap::new();
        for figures in scope.sites() {
            let origin = origin_of(scope, figures.site);
            *made.entry(origin).or_default() += figures.allocated_blocks();
            if self.stacks.insert(figures.site) {
                let place = scope.place(figures.site);
                if self.origins.insert(origin) {
                    census.origins.push((origin, describe(&place)));
                }
                if !place.stack.is_empty() {
                    census.stacks.push((stack_of(figures.site), place.stack));
                }
            }
        }
        census.made.extend(made);
        let untracked = scope.untracked();
        if untracked > 0 {
            let says = format!("{untracked} sampled blocks found no room, and are missing");
            unknown.push((Kind::Heap, says));
        }
    }
}

/// Blocks are judged by the measured calls that they come from: of a leak that many ways lead to there would be too little
/// on each. Which stacks the survivors come from is told besides.
fn origin_of(scope: &Scope, site: SiteId) -> OriginId {
    OriginId::new(Kind::Heap, u64::from(scope.calls_of(site)))
}

/// Number 0 stands for none.
const fn stack_of(site: SiteId) -> u64 {
    site.number() as u64 + 1
}

fn describe(place: &Place) -> Origin {
    let origin = match place.path.last() {
        Some(call) => Origin {
            function: call.function.to_string(),
            ..Origin::named(&*call.name).at(call.file, call.line)
        },
        None => Origin::named(OUTSIDE),
    };
    let path = place.path.iter().map(|call| call.name.to_string());
    origin.path(path.collect())
}
