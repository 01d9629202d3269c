//! Stacks in words: which function is at each return address, without the allocator's own and those that are told by the
//! measured call already.

use std::collections::HashMap;

use crate::alloc::snapshot::{HeapCall, HeapFrame, HeapSite, HeapSnapshot, HeapSymbol};
use crate::recorder::local::quiet;
use crate::symbols;

/// The beginnings of functions that stand between a program and its allocator.
const PLUMBING: &[&str] = &[
    "__rust_",
    "__rustc",
    "__rdl_",
    "__rg_",
    "alloc::alloc::",
    "<alloc::alloc::",
    "alloc::raw_vec::",
    "<alloc::raw_vec::",
    "khive_perf::",
    "<khive_perf::",
];

impl HeapSnapshot {
    /// The same, and of each frame is known which function it is in, on which line, and which were inlined there.
    ///
    /// Frames of the allocator itself are left away then, and those further out than the innermost measured call.
    /// Without the feature `symbols`, of a snapshot of another process, and where the program has no debug information,
    /// nothing is added.
    ///
    /// # Overhead
    ///
    /// Reads the debug information of the program: milliseconds to a second, and memory of its size meanwhile. Nobody who
    /// allocates waits for it.
    #[must_use]
    pub fn named(mut self) -> Self {
        if symbols::ARE_KNOWN && self.process == super::snapshot::this_process() {
            // What it takes itself is nobody's.
            let _quiet = quiet();
            let mut names = Names::default();
            for site in &mut self.sites {
                let stack = std::mem::take(&mut site.stack);
                let addresses = stack.iter().map(|frame| frame.address);
                site.stack = names.name(addresses, site.path.last());
            }
        }
        self
    }
}

impl HeapSite {
    /// The line of the program that allocated: the innermost one that is neither of the standard library nor of khive-perf.
    /// `None` where no stack is kept, or it is not [named](HeapSnapshot::named).
    #[must_use]
    pub fn line(&self) -> Option<&HeapSymbol> {
        line_of(&self.stack)
    }
}

/// The innermost symbol that is of the program.
pub(crate) fn line_of(stack: &[HeapFrame]) -> Option<&HeapSymbol> {
    let mut symbols = stack.iter().flat_map(|frame| &frame.symbols);
    symbols.find(|symbol| !symbol.file.is_empty() && !symbol.is_of_the_library())
}

/// What was looked up so far.
#[derive(Default)]
pub(crate) struct Names(HashMap<u64, Vec<HeapSymbol>>);

impl Names {
    /// Names the frames of a stack, innermost first, down to the innermost measured call.
    pub(crate) fn name(
        &mut self,
        addresses: impl Iterator<Item = u64>,
        call: Option<&HeapCall>,
    ) -> Vec<HeapFrame> {
        let mut frames: Vec<HeapFrame> = addresses
            .map(|address| HeapFrame {
                address,
                symbols: self.at(address).to_vec(),
            })
            .collect();
        leave_plumbing_away(&mut frames);
        if let Some(call) = call {
            cut_below(&mut frames, call);
        }
        frames
    }

    fn at(&mut self, address: u64) -> &[HeapSymbol] {
        self.0.entry(address).or_insert_with(|| {
            let found = symbols::at(usize::try_from(address).unwrap_or(0)).into_iter();
            let symbols = found.map(|symbol| HeapSymbol {
                function: symbol.function,
                file: symbol.file,
                line: symbol.line,
            });
            symbols.collect()
        })
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        symbols::forget();
    }
}

impl HeapSymbol {
    fn is_plumbing(&self) -> bool {
        // Functions that were inlined have no path before their name, but a file.
        PLUMBING
            .iter()
            .any(|begins| self.function.starts_with(begins))
            || own_folder().is_some_and(|own| self.file.contains(own))
    }

    fn is_of_the_library(&self) -> bool {
        self.is_plumbing()
            || self.file.starts_with("/rustc/")
            || self.file.contains("/lib/rustlib/src/")
    }

    /// Whether it is a measured function, a closure in it, or an instance of it.
    fn is_of(&self, call: &HeapCall) -> bool {
        let rest = self.function.strip_prefix(call.function.as_str());
        let name = call.function.rsplit("::").next();
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::") || rest.starts_with('<'))
            || self.function.split('<').next() == name && self.file.ends_with(&call.file)
    }
}

/// Where the sources of the allocator's hook are, as the compiler knows them.
fn own_folder() -> Option<&'static str> {
    file!().strip_suffix("names.rs")
}

/// Takes the allocator's functions off the inner end.
fn leave_plumbing_away(frames: &mut Vec<HeapFrame>) {
    // The last is the function that the others were inlined into.
    let is_plumbing = |frame: &HeapFrame| {
        let function = frame.symbols.last();
        function.is_some_and(HeapSymbol::is_plumbing)
    };
    let first = frames.iter().position(|frame| !is_plumbing(frame));
    frames.drain(..first.unwrap_or(0));
    if let Some(frame) = frames.first_mut() {
        let own = frame
            .symbols
            .iter()
            .take_while(|symbol| symbol.is_plumbing());
        frame.symbols.drain(..own.count());
    }
}

/// Takes off the outer end what is further out than a measured function, if that is there.
fn cut_below(frames: &mut Vec<HeapFrame>, call: &HeapCall) {
    let last_of = |frame: &HeapFrame| frame.symbols.iter().rposition(|symbol| symbol.is_of(call));
    let Some(first) = frames.iter().position(|frame| last_of(frame).is_some()) else {
        return;
    };
    let more = frames.iter().skip(first).map_while(last_of).count();
    frames.truncate(first + more);
    if let Some(frame) = frames.last_mut()
        && let Some(last) = last_of(frame)
    {
        frame.symbols.truncate(last + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(functions: &[&str]) -> HeapFrame {
        let symbols = functions.iter().map(|function| HeapSymbol {
            function: (*function).to_owned(),
            file: "src/lib.rs".to_owned(),
            line: 1,
        });
        HeapFrame {
            address: 1,
            symbols: symbols.collect(),
        }
    }

    fn names(frames: &[HeapFrame]) -> Vec<&str> {
        let symbols = frames.iter().flat_map(|frame| &frame.symbols);
        symbols.map(HeapSymbol::function).collect()
    }

    #[test]
    fn the_allocators_own_frames_are_left_away() {
        let mut frames = vec![
            frame(&["__rustc::__rust_alloc"]),
            frame(&[
                "alloc::alloc::alloc",
                "alloc::vec::Vec<T>::push",
                "app::keep",
            ]),
            frame(&["app::main", "alloc::alloc::odd"]),
        ];
        leave_plumbing_away(&mut frames);
        assert_eq!(
            names(&frames),
            [
                "alloc::vec::Vec<T>::push",
                "app::keep",
                "app::main",
                "alloc::alloc::odd"
            ]
        );
    }

    fn call(function: &str) -> HeapCall {
        HeapCall {
            name: function.to_owned(),
            function: function.to_owned(),
            group: None,
            file: "lib.rs".to_owned(),
            line: 1,
        }
    }

    #[test]
    fn a_stack_ends_with_the_measured_function() {
        let mut frames = vec![
            frame(&["app::inner"]),
            frame(&["app::keep_all"]),
            frame(&["app::keep::{{closure}}"]),
            frame(&["app::keep<u8>"]),
            frame(&["app::main"]),
            frame(&["app::keep"]),
        ];
        cut_below(&mut frames, &call("app::keep"));
        assert_eq!(
            names(&frames),
            [
                "app::inner",
                "app::keep_all",
                "app::keep::{{closure}}",
                "app::keep<u8>"
            ]
        );
        cut_below(&mut frames, &call("app::nowhere"));
        assert_eq!(frames.len(), 4);
    }

    #[test]
    fn a_measured_function_that_was_inlined_ends_a_stack_too() {
        let mut frames = vec![frame(&["inner", "keep<u8>", "app::main"]), frame(&["main"])];
        cut_below(&mut frames, &call("app::keep"));
        assert_eq!(names(&frames), ["inner", "keep<u8>"]);
    }
}
