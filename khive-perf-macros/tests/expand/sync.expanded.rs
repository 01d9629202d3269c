//! A function, and one with everything about its arguments said.
fn parse(line: &str) -> usize {
    static __KHIVE_PERF_CALLSITE: ::khive_perf::__private::Callsite = {
        enum Here {}
        ::khive_perf::__private::Here.function::<Here>()
    };
    const SEPARATOR: char = ',';
    let __khive_perf_guard = ::khive_perf::__private::enter(&__KHIVE_PERF_CALLSITE);
    let parts = line.split(SEPARATOR);
    parts.count()
}
pub(crate) unsafe fn get<K: Key>(id: u32, key: &K) -> Option<Entry> {
    static __KHIVE_PERF_CALLSITE: sdk::perf::__private::Callsite = {
        enum Here {}
        sdk::perf::__private::Here.function::<Here>().name("cache::get").group("cache")
    };
    let __khive_perf_guard = sdk::perf::__private::enter_with(
        &__KHIVE_PERF_CALLSITE,
        &[
            ("shard", sdk::perf::__private::ToValue::to_value(&(id))),
            ("key", sdk::perf::__private::display(&(key.name))),
        ],
    );
    unsafe { table(id) }.get(key)
}
