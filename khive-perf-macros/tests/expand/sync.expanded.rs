//! A function, and one with everything about its arguments said.
fn parse(line: &str) -> usize {
    static __KHIVE_PERF_CALLSITE: ::khive_perf::__private::Callsite = ::khive_perf::__private::Callsite::new(::khive_perf::__private::Spec {
        name: ::core::option::Option::None,
        group: ::core::option::Option::None,
        path: {
            fn here() {}
            || ::khive_perf::__private::path_of(&here)
        },
        file: ::core::file!(),
        line: ::khive_perf::__private::Here.line(),
        kind: ::khive_perf::__private::Kind::Function,
    });
    const SEPARATOR: char = ',';
    let __khive_perf_guard = ::khive_perf::__private::enter(&__KHIVE_PERF_CALLSITE);
    let parts = line.split(SEPARATOR);
    parts.count()
}
pub(crate) unsafe fn get<K: Key>(id: u32, key: &K) -> Option<Entry> {
    static __KHIVE_PERF_CALLSITE: sdk::perf::__private::Callsite = sdk::perf::__private::Callsite::new(sdk::perf::__private::Spec {
        name: ::core::option::Option::Some("cache::get"),
        group: ::core::option::Option::Some("cache"),
        path: {
            fn here() {}
            || sdk::perf::__private::path_of(&here)
        },
        file: ::core::file!(),
        line: sdk::perf::__private::Here.line(),
        kind: sdk::perf::__private::Kind::Function,
    });
    let __khive_perf_guard = sdk::perf::__private::enter_with(
        &__KHIVE_PERF_CALLSITE,
        &[
            ("shard", sdk::perf::__private::ToValue::to_value(&(id))),
            ("key", sdk::perf::__private::display(&(key.name))),
        ],
    );
    unsafe { table(id) }.get(key)
}
