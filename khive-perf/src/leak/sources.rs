//! Sources: a census of this process, from everything that can be counted in it.

use crate::leak::calls;
use crate::leak::census::{Census, Kind};
use crate::leak::heap::Heap;
use crate::leak::names::Names;
use crate::leak::process::Process;
use crate::leak::tracked;
use crate::recorder::local::quiet;
use crate::registry::live::Scope;

/// What is kept from one census to the next.
#[derive(Debug, Default)]
pub(super) struct Sources {
    heap: Heap,
    process: Process,
    names: Names,
    unknown: Vec<(Kind, String)>,
}

impl Sources {
    /// All that is alive now; inside of a capture, of the heap what was allocated in it, and no calls.
    pub(super) fn census(&mut self) -> Census {
        let scope = Scope::current();
        let _quiet = quiet();
        let mut census = Census::at(scope.now());
        self.unknown.clear();
        self.heap.add_to(&mut census, &scope, &mut self.unknown);
        let left_out = tracked::add_to(&mut census, &mut self.names);
        if left_out > 0 {
            let says = format!("{left_out} more were declared than can be tracked");
            self.unknown.push((Kind::Declared, says));
        }
        if scope.is_of_process() {
            calls::add_to(&mut census, &mut self.names);
        }
        self.process
            .add_to(&mut census, &mut self.names, &mut self.unknown);
        self.names.describe(&mut census);
        census
    }

    /// Kinds of which the last census had nothing, or not all, and why.
    pub(super) fn unknown(&self) -> &[(Kind, String)] {
        &self.unknown
    }
}
