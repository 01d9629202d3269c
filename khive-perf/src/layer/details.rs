//! Details: what spans of traces say of themselves, for those who want to read it: fields, events, and what they follow from.
//!
//! Reading a field runs code of others, which may open spans and log. Nothing is held meanwhile.

use std::borrow::Cow;
use std::fmt;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::attributes::{AttributeValue, ToValue, Value};
use crate::config;
use crate::layer::calls::Open;
use crate::recorder::local::quiet;
use crate::tracer::{self, Link, Place, with_extra};

/// What is to be said of a span that has not been entered yet. In its extensions.
#[derive(Default)]
struct Said {
    attributes: Vec<Attribute>,
    links: Vec<Link>,
}

type Attribute = (Cow<'static, str>, AttributeValue);

/// Reads values.
#[derive(Default)]
struct Reader {
    attributes: Vec<Attribute>,
    /// Of an event.
    message: Option<String>,
}

impl Reader {
    fn add(&mut self, field: &Field, value: Value<'_>) {
        let value = value.to_stored(config::attribute_bytes_max());
        self.attributes.push((field.name().into(), value));
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
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = Some(text);
        } else {
            self.add(field, Value::String(text));
        }
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
    let mut reader = Reader::default();
    attributes.record(&mut reader);
    with_said(id, context, |said| said.attributes = reader.attributes);
}

/// Says of a span that was entered what was read before.
pub(super) fn say<S>(place: &Place, id: &Id, context: &Context<'_, S>)
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let span = context.span(id);
    let said = span.and_then(|span| span.extensions_mut().remove::<Said>());
    let Some(said) = said else { return };
    place.change(|extra, max, _| {
        for (key, value) in said.attributes {
            extra.set(max, key, value);
        }
        for link in said.links {
            extra.link(max, link);
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
    let mut reader = Reader::default();
    values.record(&mut reader);
    match open.place(id, context) {
        Some(place) => place.change(|extra, max, _| {
            for (key, value) in reader.attributes {
                extra.set(max, key, value);
            }
        }),
        None => with_said(id, context, |said| {
            said.attributes.extend(reader.attributes)
        }),
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
        Some(place) => place.change(|extra, max, _| extra.link(max, link)),
        None => with_said(id, context, |said| said.links.push(link)),
    }
}

/// Takes an event for something that happened in the span that this thread is in.
pub(super) fn happen(event: &Event<'_>) {
    if !tracer::is_recording() {
        return;
    }
    let mut reader = Reader::default();
    event.record(&mut reader);
    let name = match reader.message {
        Some(message) => {
            let message = Value::String(message).to_stored(config::attribute_bytes_max());
            Cow::Owned(message.to_string())
        }
        None => Cow::Borrowed(event.metadata().name()),
    };
    with_extra(|extra, max, now| extra.happen(max, name, now));
}

fn with_said<S>(id: &Id, context: &Context<'_, S>, change: impl FnOnce(&mut Said))
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let Some(span) = context.span(id) else { return };
    let _quiet = quiet();
    let mut extensions = span.extensions_mut();
    if extensions.get_mut::<Said>().is_none() {
        extensions.insert(Said::default());
    }
    if let Some(said) = extensions.get_mut::<Said>() {
        change(said);
    }
}
