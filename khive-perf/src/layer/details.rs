//! Details: what spans of traces say of themselves, for those who want to read it: fields, events, and what they follow from.
//!
//! Reading a field runs code of others, which may open spans and log. Nothing is held meanwhile, and values that are shown
//! inside of values that are shown are not read: one that logs itself would never come to an end.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::attributes::{AttributeValue, ToValue, Value, cut};
use crate::config;
use crate::layer::calls::Open;
use crate::recorder::local::quiet;
use crate::tracer::{self, Link, Moment, Place, Said, with_extra};

/// What is to be said of a span that has not been entered yet. In its extensions.
#[derive(Default)]
struct Unsaid {
    attributes: Vec<Attribute>,
    links: Vec<Link>,
}

type Attribute = (Cow<'static, str>, AttributeValue);

/// Values that are being read, one for the sake of the other, on this thread: one, and what it logs while it is shown.
const NESTED_MAX: u8 = 2;

thread_local! {
    static NESTED: Cell<u8> = const { Cell::new(0) };
}

/// Reads values.
struct Reader {
    attributes: Vec<Attribute>,
    bytes_max: usize,
}

impl Reader {
    /// Reads values, with `read`; none inside of others that are read, beyond a limit.
    fn read(read: impl FnOnce(&mut Self)) -> Vec<Attribute> {
        let mut reader = Self {
            attributes: Vec::new(),
            bytes_max: config::attribute_bytes_max(),
        };
        if let Some(_nested) = Nested::enter() {
            read(&mut reader);
        }
        reader.attributes
    }

    fn add(&mut self, field: &Field, value: Value<'_>) {
        let value = value.to_stored(self.bytes_max);
        self.attributes.push((field.name().into(), value));
    }
}

/// While it lives, values are being read.
struct Nested;

impl Nested {
    fn enter() -> Option<Self> {
        let nested = NESTED.get();
        (nested < NESTED_MAX).then(|| {
            NESTED.set(nested + 1);
            Self
        })
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        NESTED.set(NESTED.get().saturating_sub(1));
    }
}

/// The beginning of a text, however long it is. The rest is no error, which those who write seldom expect.
struct Beginning {
    text: String,
    bytes_max: usize,
    is_cut: bool,
}

impl fmt::Write for Beginning {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if !self.is_cut {
            let fitting = cut(text, self.bytes_max - self.text.len());
            self.text.push_str(fitting);
            self.is_cut = fitting.len() < text.len();
        }
        Ok(())
    }
}

impl Visit for Reader {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, Value::F64(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, Value::I64(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.to_value());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, Value::Bool(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, Value::Str(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut beginning = Beginning {
            text: String::new(),
            bytes_max: self.bytes_max,
            is_cut: false,
        };
        // What could be shown of it is told.
        let _ = write!(beginning, "{value:?}");
        self.add(field, Value::String(beginning.text));
    }
}

/// Reads the fields of a new span, if this thread is in a trace that is recorded.
pub(super) fn read<S>(attributes: &Attributes<'_>, id: &Id, context: &Context<'_, S>)
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    if attributes.is_empty() || !tracer::is_recording() {
        return;
    }
    let attributes = Reader::read(|reader| attributes.record(reader));
    with_unsaid(id, context, |unsaid| unsaid.attributes = attributes);
}

/// Says of a span that was entered what was read before.
pub(super) fn say<S>(place: &Place, id: &Id, context: &Context<'_, S>)
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let span = context.span(id);
    let unsaid = span.and_then(|span| span.extensions_mut().remove::<Unsaid>());
    let Some(unsaid) = unsaid else { return };
    place.change(|extra, limits, _| {
        for (key, value) in unsaid.attributes {
            extra.set(limits, key, value);
        }
        for link in unsaid.links {
            extra.link(limits, link);
        }
    });
}

/// Reads values that are told later.
pub(super) fn record<S>(open: &Open, id: &Id, values: &Record<'_>, context: &Context<'_, S>)
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    if !tracer::is_recording() {
        return;
    }
    let attributes = Reader::read(|reader| values.record(reader));
    match open.place(id, context) {
        Some(place) => place.change(|extra, limits, _| {
            for (key, value) in attributes {
                extra.set(limits, key, value);
            }
        }),
        None => with_unsaid(id, context, |unsaid| unsaid.attributes.extend(attributes)),
    }
}

/// Links a span to one that it follows from, if both are of traces.
pub(super) fn follow<S>(open: &Open, id: &Id, follows: &Id, context: &Context<'_, S>)
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let followed = open.place(follows, context);
    let Some(span) = followed.and_then(|place| place.context()) else {
        return;
    };
    let link = Link { span };
    match open.place(id, context) {
        Some(place) => place.change(|extra, limits, _| extra.link(limits, link)),
        None => with_unsaid(id, context, |unsaid| unsaid.links.push(link)),
    }
}

/// Takes an event for something that happened in the span that this thread is in.
pub(super) fn happen(event: &Event<'_>) {
    if !tracer::is_recording() {
        return;
    }
    let metadata = event.metadata();
    let bytes_max = config::attribute_bytes_max();
    let mut name = Cow::Borrowed(metadata.name());
    let mut said = Said::default();
    for (key, text) in [
        (LEVEL, metadata.level().as_str()),
        (TARGET, metadata.target()),
    ] {
        let value = Value::Str(text).to_stored(bytes_max);
        said.set(usize::MAX, key.into(), value);
    }
    // No limit yet: a callsite has a few dozen fields at most, and what does not fit is to be counted.
    for (key, value) in Reader::read(|reader| event.record(reader)) {
        match &*key {
            "message" => name = Cow::Owned(value.to_string()),
            // Theirs are those of the event, whatever its fields are called.
            LEVEL | TARGET => {}
            _ => said.set(usize::MAX, key, value),
        }
    }
    with_extra(|extra, limits, ticks| extra.happen(limits, Moment { name, ticks, said }));
}

/// Attributes of every event, as `tracing-opentelemetry` names them.
const LEVEL: &str = "level";
const TARGET: &str = "target";

fn with_unsaid<S>(id: &Id, context: &Context<'_, S>, change: impl FnOnce(&mut Unsaid))
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let Some(span) = context.span(id) else { return };
    let _quiet = quiet();
    let mut extensions = span.extensions_mut();
    if extensions.get_mut::<Unsaid>().is_none() {
        extensions.insert(Unsaid::default());
    }
    if let Some(unsaid) = extensions.get_mut::<Unsaid>() {
        change(unsaid);
    }
}
