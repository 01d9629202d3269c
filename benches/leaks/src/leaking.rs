//! Uses of released crates that leak.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cached::{Cached, TimedCache};
use metrics_exporter_prometheus::PrometheusBuilder;
use moka::sync::Cache;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinHandle, JoinSet};
use tracing_subscriber::registry;

use crate::{Case, Work};

pub const CASES: &[Case] = &[
    Case::leaking(
        "tokio 1.54.1: JoinSet that nobody joins",
        "spawn into set",
        join_set,
    ),
    Case::leaking(
        "tokio 1.54.1: Vec of JoinHandles",
        "spawn and keep",
        join_handles,
    ),
    Case::leaking(
        "tokio 1.54.1: unbounded channel, slow receiver",
        "send faster",
        tokio_channel,
    ),
    Case::leaking(
        "tracing-subscriber 0.3.23: registry without a layer",
        "open span",
        bare_registry,
    ),
    Case::leaking(
        "metrics-exporter-prometheus 0.18.3: no upkeep",
        "record latency",
        no_upkeep,
    ),
    Case::leaking(
        "cached 0.56.0: times to live, keys never asked again",
        "remember token",
        timed_cache,
    ),
    Case::leaking(
        "moka 0.12.15: listener of evictions that keeps them",
        "evict into log",
        eviction_log,
    ),
    Case::leaking("flume 0.12.0: nobody receives", "send into flume", flume),
    Case::leaking(
        "crossbeam-channel 0.5.15: nobody receives",
        "send into crossbeam",
        crossbeam,
    ),
    Case::leaking("std: Arcs in a circle", "tie a circle", circle),
    Case::leaking(
        "std: one in ten requests stays in a map",
        "answer request",
        pending_map,
    ),
];

pub fn runtime() -> Runtime {
    Builder::new_current_thread()
        .build()
        .expect("a runtime of one thread starts")
}

fn join_set() -> Work {
    let (runtime, mut set) = (runtime(), JoinSet::new());
    Box::new(move |round| {
        let _span = khive_perf::span!("spawn into set");
        runtime.block_on(async {
            for task in 0..10 {
                set.spawn(async move { round + task });
            }
            tokio::task::yield_now().await;
        });
    })
}

fn join_handles() -> Work {
    let (runtime, mut handles) = (runtime(), Vec::<JoinHandle<u32>>::new());
    Box::new(move |round| {
        let _span = khive_perf::span!("spawn and keep");
        runtime.block_on(async {
            for task in 0..10 {
                handles.push(tokio::spawn(async move { round + task }));
            }
            tokio::task::yield_now().await;
        });
    })
}

fn tokio_channel() -> Work {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    Box::new(move |round| {
        let _span = khive_perf::span!("send faster");
        for message in 0..20 {
            let _ = sender.send(format!("message {message} of round {round}"));
        }
        for _ in 0..15 {
            let _ = receiver.try_recv();
        }
    })
}

/// <https://github.com/tokio-rs/tracing/issues/900>
fn bare_registry() -> Work {
    let dispatch = tracing::Dispatch::new(registry());
    Box::new(move |round| {
        let _span = khive_perf::span!("open span");
        tracing::dispatcher::with_default(&dispatch, || {
            for _ in 0..50 {
                let span = tracing::info_span!("request", round);
                let _entered = span.enter();
            }
        });
    })
}

/// <https://github.com/metrics-rs/metrics/issues/467>
fn no_upkeep() -> Work {
    let recorder = PrometheusBuilder::new().build_recorder();
    Box::new(move |round| {
        let _span = khive_perf::span!("record latency");
        metrics::with_local_recorder(&recorder, || {
            for _ in 0..200 {
                metrics::histogram!("latency").record(f64::from(round));
            }
        });
    })
}

fn timed_cache() -> Work {
    let mut cache = TimedCache::with_lifespan(Duration::from_millis(1));
    Box::new(move |round| {
        let _span = khive_perf::span!("remember token");
        for user in 0..10 {
            cache.cache_set(format!("{user} in {round}"), vec![0_u8; 64]);
        }
    })
}

fn eviction_log() -> Work {
    let log = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&log);
    let cache: Cache<String, Arc<[u8]>> = Cache::builder()
        .max_capacity(50)
        .eviction_listener(move |_, value, _| {
            seen.lock().expect("nobody panics in between").push(value);
        })
        .build();
    Box::new(move |round| {
        let _span = khive_perf::span!("evict into log");
        for key in 0..10 {
            cache.insert(format!("{key} in {round}"), Arc::from([0_u8; 100]));
        }
        cache.run_pending_tasks();
    })
}

fn flume() -> Work {
    let (sender, receiver) = flume::unbounded();
    Box::new(move |round| {
        let _span = khive_perf::span!("send into flume");
        let _open = &receiver;
        for message in 0..10 {
            let _ = sender.send(format!("message {message} of round {round}"));
        }
    })
}

fn crossbeam() -> Work {
    let (sender, receiver) = crossbeam_channel::unbounded();
    Box::new(move |round| {
        let _span = khive_perf::span!("send into crossbeam");
        let _open = &receiver;
        for message in 0..10 {
            let _ = sender.send(format!("message {message} of round {round}"));
        }
    })
}

struct Node {
    next: RefCell<Option<Arc<Node>>>,
    _payload: [u8; 100],
}

fn circle() -> Work {
    Box::new(|_| {
        let _span = khive_perf::span!("tie a circle");
        for _ in 0..10 {
            #[expect(clippy::arc_with_non_send_sync, reason = "the circle is what leaks")]
            let node = Arc::new(Node {
                next: RefCell::new(None),
                _payload: [0; 100],
            });
            *node.next.borrow_mut() = Some(Arc::clone(&node));
        }
    })
}

fn pending_map() -> Work {
    let mut pending: HashMap<u32, String> = HashMap::new();
    Box::new(move |round| {
        let _span = khive_perf::span!("answer request");
        for request in 0..30 {
            let id = round * 30 + request;
            pending.insert(id, format!("request {id}"));
            if !request.is_multiple_of(10) {
                pending.remove(&id);
            }
        }
    })
}
