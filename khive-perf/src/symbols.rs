//! Symbols: which functions are at a return address of this process; with the feature `symbols`.

/// Whether anything can be known.
pub(crate) const ARE_KNOWN: bool = cfg!(feature = "symbols");

/// A function, and where in it.
#[derive(Clone, Debug)]
pub(crate) struct Symbol {
    pub(crate) function: String,
    /// Empty if it is not known.
    pub(crate) file: String,
    /// 0 if it is not known.
    pub(crate) line: u32,
}

/// The function that a return address is in, after those that were inlined into it there; none if it is not known.
///
/// Reads the program's debug information, with the first address: milliseconds, and memory about as large as that is, until
/// [`forget`].
#[cfg(feature = "symbols")]
pub(crate) fn at(address: usize) -> Vec<Symbol> {
    let mut symbols = Vec::new();
    let address = std::ptr::without_provenance_mut(address);
    backtrace::resolve(address, |symbol| {
        let Some(name) = symbol.name() else { return };
        symbols.push(Symbol {
            // Without the hash.
            function: format!("{name:#}"),
            file: symbol
                .filename()
                .map_or_else(String::new, |file| file.to_string_lossy().into_owned()),
            line: symbol.lineno().unwrap_or(0),
        });
    });
    symbols
}

/// Nothing is known.
#[cfg(not(feature = "symbols"))]
pub(crate) const fn at(_address: usize) -> Vec<Symbol> {
    Vec::new()
}

/// Gives back the memory that [`at`] keeps for the next time.
pub(crate) fn forget() {
    #[cfg(feature = "symbols")]
    backtrace::clear_symbol_cache();
}
