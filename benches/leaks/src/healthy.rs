//! Uses of released crates that look like leaks at some time, and are none.

use std::collections::{HashMap, VecDeque};
use std::num::NonZero;
use std::thread;

use lru::LruCache;
use metrics_exporter_prometheus::PrometheusBuilder;
use moka::sync::Cache;
use regex::Regex;
use tokio::task::JoinSet;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer, Registry, registry};

use crate::leaking::runtime;
use crate::{Case, Work};

pub const CASES: &[Case] = &[
    Case::healthy(
        "tokio 1.54.1: JoinSet that is drained",
        "spawn and join",
        join_set,
    ),
    Case::healthy("tokio 1.54.1: tasks that end", "spawn and forget", tasks),
    Case::healthy(
        "tracing-subscriber 0.3.23: registry with a layer",
        "open span",
        layered,
    ),
    Case::healthy(
        "metrics-exporter-prometheus 0.18.3: upkeep",
        "record latency",
        upkeep,
    ),
    Case::healthy("moka 0.12.15: cache that fills", "fill moka", moka),
    Case::healthy("lru 0.16.2: cache that fills", "fill lru", lru),
    Case::healthy("flume 0.12.0: bursts, then drained", "burst", flume),
    Case::healthy(
        "std: map with as many insertions as removals",
        "replace key",
        map,
    ),
    Case::healthy(
        "regex 1.12.2: searches on several threads",
        "search",
        searches,
    ),
    Case::healthy(
        "std: allocations of threads that end",
        "work on threads",
        threads,
    ),
];

fn join_set() -> Work {
    let runtime = runtime();
    Box::new(move |round| {
        let _span = khive_perf::span!("spawn and join");
        runtime.block_on(async {
            let mut set = JoinSet::new();
            for task in 0..10 {
                set.spawn(async move { round + task });
            }
            while set.join_next().await.is_some() {}
        });
    })
}

fn tasks() -> Work {
    let runtime = runtime();
    Box::new(move |round| {
        let _span = khive_perf::span!("spawn and forget");
        runtime.block_on(async {
            for task in 0..10 {
                drop(tokio::spawn(async move { round + task }));
            }
            tokio::task::yield_now().await;
        });
    })
}

struct Nothing;

impl Layer<Registry> for Nothing {}

fn layered() -> Work {
    let dispatch = tracing::Dispatch::new(registry().with(Nothing));
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

fn upkeep() -> Work {
    let recorder = PrometheusBuilder::new().build_recorder();
    Box::new(move |round| {
        let _span = khive_perf::span!("record latency");
        metrics::with_local_recorder(&recorder, || {
            for _ in 0..200 {
                metrics::histogram!("latency").record(f64::from(round));
            }
        });
        recorder.handle().run_upkeep();
    })
}

fn moka() -> Work {
    let cache: Cache<String, Vec<u8>> = Cache::new(500);
    Box::new(move |round| {
        let _span = khive_perf::span!("fill moka");
        for key in 0..10 {
            cache.insert(format!("{key} in {round}"), vec![0; 64]);
        }
        cache.run_pending_tasks();
    })
}

fn lru() -> Work {
    let mut cache = LruCache::new(NonZero::new(500).expect("not zero"));
    Box::new(move |round| {
        let _span = khive_perf::span!("fill lru");
        for key in 0..10 {
            cache.put(format!("{key} in {round}"), vec![0_u8; 64]);
        }
    })
}

fn flume() -> Work {
    let (sender, receiver) = flume::unbounded();
    Box::new(move |round| {
        let _span = khive_perf::span!("burst");
        let size = if round.is_multiple_of(20) { 500 } else { 5 };
        for message in 0..size {
            let _ = sender.send(format!("message {message} of round {round}"));
        }
        receiver.drain().for_each(drop);
    })
}

fn map() -> Work {
    let (mut map, mut keys) = (HashMap::new(), VecDeque::new());
    Box::new(move |round| {
        let _span = khive_perf::span!("replace key");
        for n in 0..20 {
            let key = round * 20 + n;
            map.insert(key, format!("value of {key}"));
            keys.push_back(key);
            if keys.len() > 300 {
                keys.pop_front().map(|oldest| map.remove(&oldest));
            }
        }
    })
}

fn searches() -> Work {
    let regex = Regex::new(r"(\w+)@(\w+)\.(com|org)").expect("it is valid");
    Box::new(move |round| {
        let threads = if round == 100 { 16 } else { 2 };
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let _span = khive_perf::span!("search");
                    let text = format!("mail {round} to somebody@example.org");
                    regex.captures(&text).map(|captures| captures.len())
                });
            }
        });
    })
}

fn threads() -> Work {
    Box::new(|round| {
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                thread::spawn(move || {
                    let _span = khive_perf::span!("work on threads");
                    let blocks: Vec<Vec<u8>> = (0..20).map(|n| vec![0; 50 + n * worker]).collect();
                    blocks.len() + round as usize
                })
            })
            .collect();
        for worker in workers {
            let _ = worker.join();
        }
    })
}
