//! Identity: what makes a series the same one in two snapshots.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use crate::attributes::AttributeValue;
use crate::callsite::Kind;
use crate::registry::series::Series;
use crate::sync::Arc;

/// Name, place and attributes of a series.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) name: Arc<str>,
    pub(crate) function: Arc<str>,
    pub(crate) has_custom_name: bool,
    pub(crate) group: Option<&'static str>,
    pub(crate) file: &'static str,
    pub(crate) line: u32,
    pub(crate) kind: Kind,
    pub(crate) attributes: Arc<[(Cow<'static, str>, AttributeValue)]>,
    pub(crate) is_overflow: bool,
    pub(crate) is_of_all_callsites: bool,
    pub(crate) slow: Option<Duration>,
    /// All of it as one text, to compare and to sort by.
    pub(crate) key: Box<str>,
}

impl Identity {
    pub(crate) fn of(series: &Series) -> Self {
        let callsite = series.callsite;
        let (file, line) = callsite.place();
        let function = Arc::clone(&series.path);
        let name = callsite
            .name()
            .map_or_else(|| Arc::clone(&function), Arc::from);
        let mut key = format!("{name}\n{function}\n{file}\n{line:010}");
        for (attribute, value) in series.attributes.iter() {
            // Writing to a `String` cannot fail.
            let _ = write!(key, "\n{attribute}={value}");
        }
        if series.is_overflow {
            key.push_str("\n(overflow)");
        }
        Self {
            name,
            function,
            has_custom_name: callsite.name().is_some(),
            group: callsite.group(),
            file,
            line,
            kind: callsite.kind(),
            attributes: Arc::clone(&series.attributes),
            is_overflow: series.is_overflow,
            is_of_all_callsites: series.is_of_all_callsites(),
            slow: slow(callsite.timing().slow_ns),
            key: key.into(),
        }
    }
}

fn slow(ns: u64) -> Option<Duration> {
    (ns != u64::MAX).then(|| Duration::from_nanos(ns))
}
