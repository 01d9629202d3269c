//! What the tracking allocator knows: sampled blocks that are alive, and where they were allocated.

use std::collections::HashSet;

use crate::alloc::is_installed;
use crate::leak::census::{Census, Kind, Live, Origin, OriginId};
use crate::registry::live::{Scope, SiteId};

/// Sites that have been described before.
#[derive(Debug, Default)]
pub(super) struct Heap {
    described: HashSet<SiteId>,
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
            let live = Live::new(sample.id, origin_of(sample.site), sample.born, sample.size);
            let live = live.standing_for(sample.blocks);
            census
                .live
                .push(if sample.grown > 0 { live.grown() } else { live });
        });
        census.live_heap = Some(bytes as u64);
        for figures in scope.sites() {
            let origin = origin_of(figures.site);
            census.made.push((origin, figures.allocated_blocks()));
            if self.described.insert(figures.site) {
                let described = describe(scope, figures.site);
                census.origins.push((origin, described));
            }
        }
        let untracked = scope.untracked();
        if untracked > 0 {
            let says = format!("{untracked} sampled blocks found no room, and are missing");
            unknown.push((Kind::Heap, says));
        }
    }
}

fn origin_of(site: SiteId) -> OriginId {
    OriginId::new(Kind::Heap, u64::from(site.number()))
}

fn describe(scope: &Scope, site: SiteId) -> Origin {
    let place = scope.place(site);
    let origin = match place.path.last() {
        Some(call) => Origin::named(&*call.name).at(call.file, call.line),
        None => Origin::named(OUTSIDE),
    };
    let path = place.path.iter().map(|call| call.name.to_string());
    let stack = place.stack.iter().map(|address| format!("{address:#x}"));
    origin.path(path.collect()).stack(stack.collect())
}
