//! A function, and one with everything about its arguments said.

#[measure]
fn parse(line: &str) -> usize {
    const SEPARATOR: char = ',';
    let parts = line.split(SEPARATOR);
    parts.count()
}

#[measure(name = "cache::get", group = "cache", fields(shard = id, key = %key.name), crate = sdk::perf)]
pub(crate) unsafe fn get<K: Key>(id: u32, key: &K) -> Option<Entry> {
    unsafe { table(id) }.get(key)
}
