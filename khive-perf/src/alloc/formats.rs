//! Heap snapshots for other tools: folded stacks, and the profile format of pprof.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::alloc::modules::HeapModule;
use crate::alloc::snapshot::{HeapSite, HeapSnapshot};

impl HeapSnapshot {
    /// Bytes alive as folded stacks: a line for each site, its measured calls and return addresses from the outermost on,
    /// joined by `;`, and its bytes. For flame graphs: `inferno`, `flamegraph.pl`, speedscope.
    #[must_use]
    pub fn folded(&self) -> String {
        let mut out = String::new();
        for site in self.sites().iter().filter(|site| site.bytes() > 0) {
            let frames: Vec<String> = frames(site).into_iter().map(|frame| frame.name).collect();
            let stack = if frames.is_empty() {
                site.name().to_owned()
            } else {
                frames.join(";")
            };
            // Writing to a `String` cannot fail.
            let _ = writeln!(out, "{} {}", stack.replace(['\n', ' '], "_"), site.bytes());
        }
        out
    }

    /// The snapshot as an uncompressed [profile](https://github.com/google/pprof/blob/main/proto/profile.proto) with the
    /// values `inuse_objects`, `inuse_space` and `alloc_space`, as `go tool pprof` and speedscope read it.
    ///
    /// Stacks that are not [named](Self::named) are addresses, with the files that they are in: `pprof` names them by the
    /// program's own file, also on another machine.
    #[must_use]
    pub fn pprof(&self) -> Vec<u8> {
        let mut profile = Profile::of(&self.modules, self.is_named());
        for (kind, unit) in [
            ("inuse_objects", "count"),
            ("inuse_space", "bytes"),
            ("alloc_space", "bytes"),
        ] {
            let (kind, unit) = (profile.text(kind), profile.text(unit));
            let mut value = Message::default();
            value.number(1, kind);
            value.number(2, unit);
            profile.out.message(1, &value);
        }
        for site in self.sites() {
            profile.sample(site);
        }
        let default = profile.text("inuse_space");
        profile.finish(self.time_unix_ns(), default)
    }
}

impl HeapSnapshot {
    fn is_named(&self) -> bool {
        let mut frames = self.sites().iter().flat_map(HeapSite::stack);
        frames.any(|frame| !frame.symbols().is_empty())
    }
}

/// A step of a stack, in words.
pub(super) struct Frame {
    pub(super) name: String,
    file: String,
    line: u32,
    address: u64,
}

/// From the outermost on.
pub(super) fn frames(site: &HeapSite) -> Vec<Frame> {
    let calls = site.path().iter().map(|call| Frame {
        name: call.name().to_owned(),
        file: call.file().to_owned(),
        line: call.line(),
        address: 0,
    });
    let returns = site.stack().iter().rev().flat_map(|frame| {
        let address = frame.address();
        let known = frame.symbols().iter().rev().map(move |symbol| Frame {
            name: symbol.function().to_owned(),
            file: symbol.file().to_owned(),
            line: symbol.line(),
            address,
        });
        let unknown = frame.symbols().is_empty().then(|| Frame {
            name: format!("{address:#x}"),
            file: String::new(),
            line: 0,
            address,
        });
        known.chain(unknown)
    });
    calls.chain(returns).collect()
}

/// A message of protocol buffers, as it is written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(&mut self, field: u64, value: u64) {
        if value != 0 {
            self.varint(field << 3);
            self.varint(value);
        }
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn message(&mut self, field: u64, message: &Self) {
        self.bytes(field, &message.0);
    }

    fn packed(&mut self, field: u64, values: &[u64]) {
        let mut packed = Self::default();
        values.iter().for_each(|value| packed.varint(*value));
        self.message(field, &packed);
    }
}

/// A profile in the making. Tables are numbered from 1; text 0 is empty.
#[derive(Default)]
struct Profile {
    out: Message,
    tables: Message,
    texts: BTreeMap<String, u64>,
    in_order: Vec<String>,
    functions: BTreeMap<(String, String), u64>,
    locations: BTreeMap<(u64, u64, u32), u64>,
    modules: Vec<HeapModule>,
}

impl Profile {
    fn of(modules: &[HeapModule], is_named: bool) -> Self {
        let mut profile = Self {
            modules: modules.to_vec(),
            ..Self::default()
        };
        for (number, module) in (1..).zip(modules) {
            let file = profile.text(&module.file);
            let mut mapping = Message::default();
            mapping.number(1, number);
            mapping.number(2, module.start);
            mapping.number(3, module.end);
            mapping.number(4, module.offset);
            mapping.number(5, file);
            // That it has functions, files, lines and inlined frames: what asks for them need not look.
            (7..=10).for_each(|known| mapping.number(known, is_named.into()));
            profile.tables.message(3, &mapping);
        }
        profile
    }

    /// Number of the module that an address is in; 0 for none.
    fn module_of(&self, address: u64) -> u64 {
        let is_in = |module: &HeapModule| (module.start..module.end).contains(&address);
        let at = self.modules.iter().position(is_in);
        at.map_or(0, |at| at as u64 + 1)
    }

    fn text(&mut self, text: &str) -> u64 {
        if text.is_empty() {
            return 0;
        }
        if let Some(known) = self.texts.get(text) {
            return *known;
        }
        self.in_order.push(text.to_owned());
        let number = self.in_order.len() as u64;
        self.texts.insert(text.to_owned(), number);
        number
    }

    fn function(&mut self, frame: &Frame) -> u64 {
        let key = (frame.name.clone(), frame.file.clone());
        if let Some(known) = self.functions.get(&key) {
            return *known;
        }
        let number = self.functions.len() as u64 + 1;
        let (name, file) = (self.text(&frame.name), self.text(&frame.file));
        let mut function = Message::default();
        function.number(1, number);
        function.number(2, name);
        function.number(3, name);
        function.number(4, file);
        self.tables.message(5, &function);
        self.functions.insert(key, number);
        number
    }

    fn location(&mut self, frame: &Frame) -> u64 {
        let function = self.function(frame);
        let key = (function, frame.address, frame.line);
        if let Some(known) = self.locations.get(&key) {
            return *known;
        }
        let number = self.locations.len() as u64 + 1;
        let mut line = Message::default();
        line.number(1, function);
        line.number(2, frame.line.into());
        let mut location = Message::default();
        location.number(1, number);
        location.number(2, self.module_of(frame.address));
        location.number(3, frame.address);
        location.message(4, &line);
        self.tables.message(4, &location);
        self.locations.insert(key, number);
        number
    }

    fn sample(&mut self, site: &HeapSite) {
        let mut stack = frames(site);
        if stack.is_empty() {
            stack.push(Frame {
                name: site.name().to_owned(),
                file: String::new(),
                line: 0,
                address: 0,
            });
        }
        // The innermost first.
        let locations: Vec<u64> = stack
            .iter()
            .rev()
            .map(|frame| self.location(frame))
            .collect();
        let blocks = site.blocks().round() as u64;
        let mut sample = Message::default();
        sample.packed(1, &locations);
        sample.packed(2, &[blocks, site.bytes(), site.allocated()]);
        self.out.message(2, &sample);
    }

    fn finish(mut self, time_unix_ns: u64, default: u64) -> Vec<u8> {
        self.out.0.append(&mut self.tables.0);
        self.out.bytes(6, b"");
        for text in &self.in_order {
            self.out.bytes(6, text.as_bytes());
        }
        self.out.number(9, time_unix_ns);
        self.out.number(14, default);
        self.out.0
    }
}
