//! Recorder: what one thread counts, how it counts it without waiting for anyone, and how it is read.
//!
//! A [`Shard`](shard::Shard) belongs to one thread and one registry. It owns a [`Cell`](cell::Cell) for
//! each series the thread has called and a [`Node`](node::Node) for each path of calls it has taken. The
//! owner writes with plain loads and stores; readers add up what all shards hold into
//! [`Totals`](totals::Totals). Nothing is ever reset.

pub(crate) mod alloc;
pub(crate) mod budget;
pub(crate) mod cell;
pub(crate) mod census;
pub(crate) mod frame;
pub(crate) mod handoff;
pub(crate) mod histogram;
pub(crate) mod local;
pub(crate) mod node;
pub(crate) mod part;
pub(crate) mod rooms;
pub(crate) mod sampled;
pub(crate) mod shard;
pub(crate) mod totals;
pub(crate) mod turn;
pub(crate) mod waiting;
