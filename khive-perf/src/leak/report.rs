//! LeakReport: findings, worst first, as values.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::alloc::names::{Names, line_of};
use crate::alloc::snapshot::{HeapCall, HeapFrame, HeapSymbol};
use crate::leak::census::{Kind, Origin, OriginId};
use crate::leak::judge::Judgement;
use crate::leak::retention::Retention;
use crate::leak::verdict::{Reason, Verdict};
use crate::recorder::local::quiet;
use crate::symbols;

/// What a detector knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LeakReport {
    pub(super) findings: Vec<Finding>,
    pub(super) retention: Option<Retention>,
    pub(super) censuses: u64,
    pub(super) watched: Duration,
    pub(super) left_out: u64,
    pub(super) unknown: Vec<(Kind, String)>,
}

/// What is said of one origin.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    id: OriginId,
    origin: Origin,
    judgement: Judgement,
    live: Holding,
    /// Return addresses of the stack that most survivors were made from.
    stack: Vec<usize>,
    line: Option<(String, u32)>,
}

/// What an origin holds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Holding {
    pub(super) count: f64,
    pub(super) bytes: f64,
    pub(super) oldest: Duration,
}

/// The functions of a frame, the innermost first; its address where they are not known.
fn in_words(frame: &HeapFrame) -> Vec<String> {
    if frame.symbols().is_empty() {
        return vec![format!("{:#x}", frame.address())];
    }
    let in_words = |symbol: &HeapSymbol| match symbol.file() {
        "" => symbol.function().to_owned(),
        file => format!("{} ({file}:{})", symbol.function(), symbol.line()),
    };
    frame.symbols().iter().map(in_words).collect()
}

impl LeakReport {
    /// One for each origin, worst first, and of those with the same verdict, the one with the most bytes per hour.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The same, and the [stacks](Origin::stack) of what leaks or may leak are in words, not in addresses.
    ///
    /// Without the feature `symbols`, and where the program has no debug information, nothing changes.
    ///
    /// # Overhead
    ///
    /// Reads the debug information of the program: milliseconds to a second, and memory of its size meanwhile.
    #[must_use]
    pub fn named(mut self) -> Self {
        if symbols::ARE_KNOWN {
            let _quiet = quiet();
            let mut names = Names::default();
            let findings = self.findings.iter_mut();
            findings.for_each(|finding| finding.name(&mut names));
        }
        self
    }

    /// Those that leak.
    pub fn leaking(&self) -> impl Iterator<Item = &Finding> {
        let findings = self.findings.iter();
        findings.take_while(|finding| finding.verdict() == Verdict::Leaking)
    }

    /// The worst that was said; `InsufficientData` where there is nothing.
    #[must_use]
    pub fn worst(&self) -> Verdict {
        let worst = self.findings.first();
        worst.map_or(Verdict::InsufficientData, Finding::verdict)
    }

    /// The first finding whose callsite is called so, or contains that.
    #[must_use]
    pub fn callsite(&self, name: &str) -> Option<&Finding> {
        let is = |finding: &&Finding| finding.callsite() == name;
        let contains = |finding: &&Finding| finding.callsite().contains(name);
        let exact = self.findings.iter().find(is);
        exact.or_else(|| self.findings.iter().find(contains))
    }

    /// Whether the process grows while its heap does not. `None` too where either is not known.
    #[must_use]
    pub const fn retention(&self) -> Option<&Retention> {
        self.retention.as_ref()
    }

    /// Number of censuses.
    #[must_use]
    pub const fn censuses(&self) -> u64 {
        self.censuses
    }

    /// From the first census to the last.
    #[must_use]
    pub const fn watched(&self) -> Duration {
        self.watched
    }

    /// Things of origins beyond [`LeakConfig::origins_max`](crate::leak::LeakConfig::origins_max), of which nothing is said.
    #[must_use]
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Kinds of which nothing is known, and why.
    #[must_use]
    pub fn unknown(&self) -> &[(Kind, String)] {
        &self.unknown
    }
}

impl Finding {
    pub(super) const fn new(
        id: OriginId,
        origin: Origin,
        judgement: Judgement,
        live: Holding,
    ) -> Self {
        Self {
            id,
            origin,
            judgement,
            live,
            stack: Vec::new(),
            line: None,
        }
    }

    pub(super) fn with_stack(mut self, stack: &[usize]) -> Self {
        self.stack = stack.to_vec();
        if !stack.is_empty() {
            let addresses = stack.iter().map(|address| format!("{address:#x}"));
            self.origin.stack = addresses.collect();
        }
        self
    }

    /// Puts the stack into words.
    fn name(&mut self, names: &mut Names) {
        if self.stack.is_empty() {
            return;
        }
        let addresses = self.stack.iter().map(|address| *address as u64);
        let call = HeapCall::of_function(&self.origin.function, &self.origin.file);
        let frames = names.name(addresses, call.as_ref());
        self.line = line_of(&frames).map(|symbol| (symbol.file().to_owned(), symbol.line()));
        self.origin.stack = frames.iter().flat_map(in_words).collect();
    }

    /// File and line of the code that made most survivors: the innermost of the stack that is neither of the standard library nor of
    /// khive-perf. `None` before the report is [named](LeakReport::named).
    #[must_use]
    pub fn line(&self) -> Option<(&str, u32)> {
        self.line
            .as_ref()
            .map(|(file, line)| (file.as_str(), *line))
    }

    /// Whether it leaks.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        self.judgement.verdict
    }

    /// Why that is said.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.judgement.reason
    }

    /// What kind of thing it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.id.kind()
    }

    /// Where it comes from.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Name of the measured function, or of what was declared.
    #[must_use]
    pub fn callsite(&self) -> &str {
        &self.origin.callsite
    }

    /// The number of its origin.
    #[must_use]
    pub const fn origin_id(&self) -> OriginId {
        self.id
    }

    /// Bytes that are alive.
    #[must_use]
    pub fn retained_bytes(&self) -> u64 {
        self.live.bytes.round() as u64
    }

    /// Things that are alive.
    #[must_use]
    pub fn live(&self) -> u64 {
        self.live.count.round() as u64
    }

    /// Things that are older than those that die, and are not expected to die.
    #[must_use]
    pub fn survivors(&self) -> u64 {
        self.judgement.survivors.round() as u64
    }

    /// Age of the oldest.
    #[must_use]
    pub const fn oldest(&self) -> Duration {
        self.live.oldest
    }

    /// The age beyond which survivors were looked for.
    #[must_use]
    pub const fn mature_age(&self) -> Duration {
        self.judgement.mature
    }

    /// Deaths beyond that age.
    #[must_use]
    pub const fn deaths(&self) -> f64 {
        self.judgement.deaths
    }

    /// Deaths that there would have been, at the least, if what gets so old still died.
    #[must_use]
    pub const fn deaths_expected(&self) -> f64 {
        self.judgement.expected
    }

    /// How many times as well the figures go with some that never die, as with any way of dying; a natural logarithm.
    #[must_use]
    pub const fn evidence(&self) -> f64 {
        self.judgement.evidence
    }

    /// Bytes that come to stay, per hour.
    #[must_use]
    pub const fn bytes_per_hour(&self) -> f64 {
        self.judgement.bytes_per_hour.mean
    }

    /// What [`bytes_per_hour`](Self::bytes_per_hour) is within, in about 95 of 100 cases.
    #[must_use]
    pub const fn bytes_per_hour_interval(&self) -> RangeInclusive<f64> {
        let rate = self.judgement.bytes_per_hour;
        rate.low..=rate.high
    }

    /// Things that come to stay, per hour.
    #[must_use]
    pub const fn things_per_hour(&self) -> f64 {
        self.judgement.things_per_hour.mean
    }
}
