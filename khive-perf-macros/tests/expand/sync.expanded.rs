//! A function, and one with everything about its arguments said.
fn parse(line: &str) -> usize {
    static __KHIVE_PERF_CALLSITE: ::khive_perf::__private::Callsite = ::khive_perf::__private::FUNCTION;
    enum __KhivePerfFunction {}
    const SEPARATOR: char = ',';
    let __khive_perf_guard = __KHIVE_PERF_CALLSITE.enter::<__KhivePerfFunction>();
    let parts = line.split(SEPARATOR);
    parts.count()
}
pub(crate) unsafe fn get<K: Key>(id: u32, key: &K) -> Option<Entry> {
    static __KHIVE_PERF_CALLSITE: sdk::perf::__private::Callsite = sdk::perf::__private::Callsite::new(
        &const { sdk::perf::__private::Spec::FUNCTION.name("cache::get").group("cache") },
    );
    enum __KhivePerfFunction {}
    let __khive_perf_guard = sdk::perf::__private::enter_with(
        __KHIVE_PERF_CALLSITE.here::<__KhivePerfFunction>(),
        &[
            ("shard", sdk::perf::__private::ToValue::to_value(&(id))),
            ("key", sdk::perf::__private::display(&(key.name))),
        ],
    );
    unsafe { table(id) }.get(key)
}
