//! Census: what is alive at one moment, as plain values; what a detector looks at.

use std::fmt;
use std::time::Duration;

/// What kind of thing lives, and is meant to die.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// A block of memory.
    Heap,
    /// A thread of the operating system.
    Thread,
    /// An open file, socket or pipe.
    FileDescriptor,
    /// A measured future, or a span of `tracing`, that has begun and not ended.
    Call,
    /// Something that the program declares with [`Tracked`](crate::leak::Tracked).
    Declared,
}

impl Kind {
    /// As reports and metrics name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Heap => "heap",
            Self::Thread => "thread",
            Self::FileDescriptor => "file_descriptor",
            Self::Call => "call",
            Self::Declared => "declared",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Names an origin: the place that things of one kind come from.
///
/// The same place has the same number in every census of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OriginId {
    kind: Kind,
    number: u64,
}

impl OriginId {
    /// The place that is known by this number among those of its kind.
    #[must_use]
    pub const fn new(kind: Kind, number: u64) -> Self {
        Self { kind, number }
    }

    /// What comes from there.
    #[must_use]
    pub const fn kind(self) -> Kind {
        self.kind
    }

    /// Its number among those of its kind.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.number
    }
}

/// Where things come from, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// Name of the measured function, or of what was declared.
    pub callsite: String,
    /// Full path of the measured function; empty where there is none.
    pub function: String,
    /// Its source file; empty where that is not known.
    pub file: String,
    /// Its line; 0 where that is not known.
    pub line: u32,
    /// Measured calls that led there, outermost first.
    pub path: Vec<String>,
    /// The stack that most survivors were made from, innermost frame first; empty where none is known. Addresses, until a
    /// report is [named](crate::leak::LeakReport::named).
    pub stack: Vec<String>,
}

impl Origin {
    /// A place of which only the name is known.
    #[must_use]
    pub fn named(callsite: impl Into<String>) -> Self {
        Self {
            callsite: callsite.into(),
            ..Self::default()
        }
    }

    /// The same with its file and line.
    #[must_use]
    pub fn at(mut self, file: impl Into<String>, line: u32) -> Self {
        self.file = file.into();
        self.line = line;
        self
    }

    /// The same with the measured calls that led there, outermost first.
    #[must_use]
    pub fn path(mut self, path: Vec<String>) -> Self {
        self.path = path;
        self
    }

    /// The same with a stack, innermost frame first.
    #[must_use]
    pub fn stack(mut self, stack: Vec<String>) -> Self {
        self.stack = stack;
        self
    }
}

/// One thing that is alive, or one sample that stands for several.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Live {
    /// Never used for another thing of the same kind.
    pub id: u64,
    /// Where it comes from.
    pub origin: OriginId,
    /// Number of the stack that it was made from, among [`Census::stacks`]; 0 where none is known.
    pub stack: u64,
    /// When it was made, on the clock of [`Census::at`].
    pub born: Duration,
    /// Number of things that it stands for; 1 unless it is a sample.
    pub blocks: f64,
    /// Bytes of all of them.
    pub bytes: f64,
    /// Bytes of this one; 0 for what has no size.
    pub size: usize,
    /// Whether it has been made larger since.
    pub has_grown: bool,
}

impl Live {
    /// One thing that stands for itself.
    #[must_use]
    pub const fn new(id: u64, origin: OriginId, born: Duration, size: usize) -> Self {
        Self {
            id,
            origin,
            stack: 0,
            born,
            blocks: 1.0,
            bytes: size as f64,
            size,
            has_grown: false,
        }
    }

    /// The same, made from a stack of this number.
    #[must_use]
    pub const fn with_stack(mut self, number: u64) -> Self {
        self.stack = number;
        self
    }

    /// The same, and it has been made larger since.
    #[must_use]
    pub const fn grown(mut self) -> Self {
        self.has_grown = true;
        self
    }

    /// The same as a sample of `blocks` like it.
    #[must_use]
    pub const fn standing_for(mut self, blocks: f64) -> Self {
        self.blocks = blocks;
        self.bytes = self.size as f64 * blocks;
        self
    }
}

/// Everything that is alive at one moment.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Census {
    /// When, on any clock that does not go back.
    pub at: Duration,
    /// What lives, in any order.
    pub live: Vec<Live>,
    /// How many things were ever made at an origin, where somebody counts: those that came and went between two censuses, too.
    pub made: Vec<(OriginId, f64)>,
    /// Bytes that are allocated and not freed, where that is known.
    pub live_heap: Option<u64>,
    /// Bytes of the process that are in memory, where that is known.
    pub resident: Option<u64>,
    /// In words, the origins that nobody else can describe.
    pub origins: Vec<(OriginId, Origin)>,
    /// Return addresses of stacks by their numbers, innermost frame first. One that an earlier census had may be left out.
    pub stacks: Vec<(u64, Vec<usize>)>,
}

impl Census {
    /// An empty one.
    #[must_use]
    pub fn at(at: Duration) -> Self {
        Self {
            at,
            ..Self::default()
        }
    }
}
