//! Places: the callsites that stand for spans and for their events, made when one is met for the first time.

use std::cell::Cell;
use std::collections::HashMap;

use tracing::Metadata;

use crate::attributes::Value;
use crate::callsite::{Callsite, Kind, Spec};
use crate::recorder::local::quiet;
use crate::registry::series;
use crate::span::enter_with;
use crate::sync::{Mutex, OnceLock, lock};

/// What is told of one place in the source: the address of its metadata, which are static.
type Place = usize;

/// Callsites by place; those of spans, and those of events in them.
#[derive(Default)]
struct Callsites {
    spans: HashMap<Place, &'static Callsite>,
    events: HashMap<Place, &'static Callsite>,
}

fn callsites() -> &'static Mutex<Callsites> {
    static CALLSITES: OnceLock<Mutex<Callsites>> = OnceLock::new();
    CALLSITES.get_or_init(Mutex::default)
}

/// What a thread remembers: a layer's number, a place, and the callsite if the layer measures it.
type Remembered = Option<(u64, Place, Option<&'static Callsite>)>;

const MEMORY_LEN: usize = 128;

thread_local! {
    static MEMORY: [Cell<Remembered>; MEMORY_LEN] = const { [const { Cell::new(None) }; MEMORY_LEN] };
}

fn place_of(metadata: &'static Metadata<'static>) -> Place {
    std::ptr::from_ref(metadata).addr()
}

/// The callsite of a span, if a layer measures such spans.
pub(super) fn of(
    layer: u64,
    metadata: &'static Metadata<'static>,
    wants: impl FnOnce(&Metadata<'_>) -> bool,
) -> Option<&'static Callsite> {
    let place = place_of(metadata);
    let slot = (place >> 4 ^ layer as usize) % MEMORY_LEN;
    let remembered = MEMORY.try_with(|memory| {
        let (of, at, callsite) = memory.get(slot)?.get()?;
        (of == layer && at == place).then_some(callsite)
    });
    if let Ok(Some(callsite)) = remembered {
        return callsite;
    }
    // May be the user's code, so nothing is held.
    let callsite = wants(metadata).then(|| {
        let _quiet = quiet();
        let mut callsites = lock(callsites());
        *callsites
            .spans
            .entry(place)
            .or_insert_with(|| make(metadata, name_of(metadata), Kind::Span))
    });
    // A thread that is ending has no memory left, and needs none.
    let _ = MEMORY.try_with(|memory| {
        if let Some(entry) = memory.get(slot) {
            entry.set(Some((layer, place, callsite)));
        }
    });
    callsite
}

/// Counts an event in a span, or outside of any.
pub(super) fn count_event(span: Option<&'static Metadata<'static>>, level: &'static str) {
    let callsite = {
        let _quiet = quiet();
        let mut callsites = lock(callsites());
        *callsites
            .events
            .entry(span.map_or(0, place_of))
            .or_insert_with(|| match span {
                Some(span) => make(span, format!("{} (events)", name_of(span)), Kind::Region),
                None => outside(),
            })
    };
    drop(enter_with(callsite, &[("level", Value::Str(level))]));
}

fn name_of(metadata: &Metadata<'_>) -> String {
    match metadata.target() {
        "" => metadata.name().to_owned(),
        target => format!("{target}::{}", metadata.name()),
    }
}

fn make(metadata: &'static Metadata<'static>, name: String, kind: Kind) -> &'static Callsite {
    let file = metadata.file().unwrap_or_default();
    let spec = Spec::of(kind)
        .name(Box::leak(name.into_boxed_str()))
        .place(file, metadata.line().unwrap_or_default());
    series::made_at_run_time(spec)
}

fn outside() -> &'static Callsite {
    series::made_at_run_time(
        Spec::REGION
            .name("(outside of spans) (events)")
            .place("", 0),
    )
}
