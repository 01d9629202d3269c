//! Series: numbers for callsites and their attribute sets, one table for the process.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::Location;

use crate::attributes::{AttributeValue, Value};
use crate::callsite::{Callsite, NO_ID, Spec, Timing};
use crate::config::{self, switches};
use crate::recorder::local::quiet;
use crate::registry::identity::Identity;
use crate::sync::{Arc, Mutex, OnceLock, lock};
#[cfg(all(feature = "enabled", feature = "tracing"))]
use crate::sync::{AtomicUsize, Ordering};

/// Attributes of a series, sorted by name.
pub(crate) type Attributes = Arc<[(Cow<'static, str>, AttributeValue)]>;

/// The series that takes what passes the limit on series.
const OVERFLOW_SERIES: u32 = 0;

static OVERFLOW: Callsite =
    Callsite::new(&const { Spec::FUNCTION.name("(further callsites)").place("", 0) });

/// What a number stands for.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) callsite: &'static Callsite,
    pub(crate) path: Arc<str>,
    pub(crate) attributes: Attributes,
    /// Takes what passed a limit.
    pub(crate) is_overflow: bool,
}

impl Series {
    /// Whether this takes what passed the limit on series.
    pub(crate) fn is_of_all_callsites(&self) -> bool {
        std::ptr::eq(self.callsite, &raw const OVERFLOW)
    }
}

struct Table {
    /// By id.
    series: Vec<Series>,
    /// What readers need to know of them, as far as any has asked.
    identities: Vec<Arc<Identity>>,
    /// Ids of a callsite's attribute sets, by callsite address and hash.
    by_attributes: HashMap<(usize, u64), Vec<u32>>,
    /// Number of attribute sets, and the overflow series if there is one, by callsite address.
    of_callsite: HashMap<usize, (usize, Option<u32>)>,
    /// Callsites that have no series of their own.
    without: Vec<&'static Callsite>,
    switched_on: bool,
}

fn table() -> &'static Mutex<Table> {
    static TABLE: OnceLock<Mutex<Table>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let overflow = Series {
            callsite: &OVERFLOW,
            path: "(further callsites)".into(),
            attributes: [].into(),
            is_overflow: true,
        };
        Mutex::new(Table {
            series: vec![overflow],
            identities: Vec::new(),
            by_attributes: HashMap::new(),
            of_callsite: HashMap::new(),
            without: Vec::new(),
            switched_on: config::is_enabled(),
        })
    })
}

/// What the numbers stand for, by number.
pub(crate) fn identities() -> Vec<Arc<Identity>> {
    let _quiet = quiet();
    let mut table = lock(table());
    let Table {
        series, identities, ..
    } = &mut *table;
    let new = series.iter().skip(identities.len());
    let new: Vec<_> = new.map(|series| Arc::new(Identity::of(series))).collect();
    identities.extend(new);
    identities.clone()
}

/// Switches every callsite on or off, as the configuration says.
pub(crate) fn apply_switch() {
    let mut table = lock(table());
    table.switched_on = config::is_enabled();
    for series in &table.series {
        let switched_on = table.is_on(series.callsite, &series.path);
        series.callsite.number().switch(switched_on);
    }
    for callsite in &table.without {
        let switched_on = table.is_on(callsite, &callsite.path());
        callsite.number().switch(switched_on);
    }
}

/// How calls of a series are timed; those that passed the limit on series have no common wish.
pub(crate) fn timing(callsite: &Callsite, id: u32) -> Timing {
    if id == OVERFLOW_SERIES {
        Timing {
            is_future: callsite.timing().is_future,
            ..Timing::PLAIN
        }
    } else {
        callsite.timing()
    }
}

/// The number of a callsite without attributes; registers it at its first call.
pub(crate) fn register(callsite: &'static Callsite) -> u32 {
    if let Some(id) = callsite.assigned() {
        return id;
    }
    let path: Arc<str> = callsite.path().into();
    callsite.number().assign(table(), |table| {
        let switched_on = table.is_on(callsite, &path);
        let series = Series {
            callsite,
            path,
            attributes: [].into(),
            is_overflow: false,
        };
        let id = table.add(series).unwrap_or_else(|| {
            table.without.push(callsite);
            OVERFLOW_SERIES
        });
        (id, switched_on)
    })
}

/// The number of a callsite with these fields.
///
/// A thread remembers what it looked up, so a repeated set costs a hash and a comparison.
pub(crate) fn with_fields(
    callsite: &'static Callsite,
    fields: &[(&'static str, Value<'_>)],
) -> u32 {
    let _quiet = quiet();
    let plain = register(callsite);
    if fields.is_empty() {
        return plain;
    }
    let bytes_max = config::attribute_bytes_max();
    let hash = fields
        .iter()
        .fold(0, |hash, (_, value)| value.mix_into(hash, bytes_max));
    let key = (std::ptr::from_ref(callsite) as usize, hash);
    let remembered = MEMORY.try_with(|memory| {
        let memory = memory.try_borrow().ok()?;
        let (of, id, attributes) = memory.get(place(key))?.as_ref()?;
        (*of == key && same(fields, attributes, bytes_max)).then_some(*id)
    });
    if let Ok(Some(id)) = remembered {
        return id;
    }
    let (id, attributes) = lock(table()).find_or_add(callsite, key, fields, bytes_max);
    // A thread that is ending has no memory left, and needs none.
    let _ = MEMORY.try_with(|memory| {
        if let Ok(mut memory) = memory.try_borrow_mut() {
            memory.resize_with(MEMORY_LEN, || None);
            if let Some(entry) = memory.get_mut(place(key)) {
                *entry = Some((key, id, attributes));
            }
        }
    });
    id
}

/// The callsite of a future that is named where it is made, one per name and place.
///
/// Costs a lock. Callsites live for ever; past the limit on series they are all one.
pub(crate) fn named_future(
    name: &'static str,
    place: &'static Location<'static>,
) -> &'static Callsite {
    type Places = HashMap<(&'static str, &'static str, u32, u32), &'static Callsite>;
    static NAMED: OnceLock<Mutex<Places>> = OnceLock::new();
    let mut named = lock(NAMED.get_or_init(Mutex::default));
    let key = (name, place.file(), place.line(), place.column());
    if let Some(callsite) = named.get(&key) {
        return callsite;
    }
    if named.len() >= config::callsites_max() {
        return &OVERFLOW;
    }
    let spec = Spec::FUTURE.name(name).place(place.file(), place.line());
    let callsite = live_for_ever(spec);
    named.insert(key, callsite);
    callsite
}

/// A callsite that is made while the program runs: like one in the source, it lives for ever. Past the limit on series
/// they are all one.
#[cfg(all(feature = "enabled", feature = "tracing"))]
pub(crate) fn made_at_run_time(spec: Spec) -> &'static Callsite {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    if MADE.fetch_add(1, Ordering::Relaxed) < config::callsites_max() {
        live_for_ever(spec)
    } else {
        &OVERFLOW
    }
}

/// A callsite of no function, which is called by its name.
fn live_for_ever(spec: Spec) -> &'static Callsite {
    let spec = Box::leak(Box::new(spec));
    Box::leak(Box::new(Callsite::new(spec)))
}

const MEMORY_LEN: usize = 128;

type Remembered = Option<((usize, u64), u32, Attributes)>;

thread_local! {
    static MEMORY: RefCell<Vec<Remembered>> = const { RefCell::new(Vec::new()) };
}

fn place((callsite, hash): (usize, u64)) -> usize {
    ((callsite as u64 >> 4) ^ hash ^ (hash >> 32)) as usize % MEMORY_LEN
}

/// Whether stored attributes are these fields. Stored ones are in the order of the fields.
fn same(
    fields: &[(&'static str, Value<'_>)],
    attributes: &[(Cow<'static, str>, AttributeValue)],
    bytes_max: usize,
) -> bool {
    fields.len() == attributes.len()
        && fields
            .iter()
            .zip(attributes)
            .all(|((name, value), (of, stored))| of == name && value.matches(stored, bytes_max))
}

impl Table {
    /// Whether a callsite is to record.
    fn is_on(&self, callsite: &Callsite, path: &str) -> bool {
        self.switched_on && switches::is_on(callsite.group(), callsite.name().unwrap_or(path), path)
    }

    fn add(&mut self, series: Series) -> Option<u32> {
        let id = u32::try_from(self.series.len())
            .ok()
            .filter(|id| *id < NO_ID)?;
        if self.series.len() > config::callsites_max() {
            return None;
        }
        self.series.push(series);
        Some(id)
    }

    fn find_or_add(
        &mut self,
        callsite: &'static Callsite,
        key: (usize, u64),
        fields: &[(&'static str, Value<'_>)],
        bytes_max: usize,
    ) -> (u32, Attributes) {
        for id in self.by_attributes.get(&key).into_iter().flatten() {
            if let Some(series) = self.series.get(*id as usize)
                && same(fields, &series.attributes, bytes_max)
            {
                return (*id, Arc::clone(&series.attributes));
            }
        }
        let attributes: Attributes = fields
            .iter()
            .map(|(name, value)| (Cow::Borrowed(*name), value.to_stored(bytes_max)))
            .collect();
        let (sets, overflow) = self.of_callsite.get(&key.0).copied().unwrap_or_default();
        let full = sets >= config::series_per_callsite_max();
        if let (true, Some(id)) = (full, overflow) {
            return (id, attributes);
        }
        let path = callsite.path().into();
        let kept = if full {
            [].into()
        } else {
            Arc::clone(&attributes)
        };
        let series = Series {
            callsite,
            path,
            attributes: kept,
            is_overflow: full,
        };
        let Some(id) = self.add(series) else {
            return (OVERFLOW_SERIES, attributes);
        };
        if full {
            self.of_callsite.insert(key.0, (sets, Some(id)));
        } else {
            self.of_callsite.insert(key.0, (sets + 1, overflow));
            self.by_attributes.entry(key).or_default().push(id);
        }
        (id, attributes)
    }
}
