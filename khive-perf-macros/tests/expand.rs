//! Golden expansions: every `expand/<case>.rs` expands to its `expand/<case>.expanded.rs`.
//!
//! `KHIVE_PERF_BLESS=1 cargo test -p khive-perf-macros` writes the expansions anew.

#![allow(
    dead_code,
    reason = "the modules of the macro are compiled again, as an ordinary program"
)]

use std::path::Path;
use std::{env, fs};

use proc_macro2::TokenStream;
use proptest::prelude::*;
use quote::ToTokens;

#[path = "../src/args.rs"]
mod args;
#[path = "../src/conditional.rs"]
mod conditional;
#[path = "../src/direct.rs"]
mod direct;
#[path = "../src/duration.rs"]
mod duration;
#[path = "../src/expand.rs"]
mod expand;
#[path = "../src/expectations.rs"]
mod expectations;
#[path = "../src/fallback.rs"]
mod fallback;
#[path = "../src/fields.rs"]
mod fields;
#[path = "../src/input.rs"]
mod input;
#[path = "../src/model.rs"]
mod model;
#[path = "../src/older.rs"]
mod older;
#[path = "../src/params.rs"]
mod params;
#[path = "../src/paths.rs"]
mod paths;
#[path = "../src/plain.rs"]
mod plain;
#[path = "../src/settings.rs"]
mod settings;
#[path = "../src/shape.rs"]
mod shape;
#[path = "../src/tokens.rs"]
mod tokens;
#[path = "../src/traced.rs"]
mod traced;

/// The features of a build with `tracing`.
fn features(enabled: bool) -> args::Features {
    args::Features {
        enabled,
        tracing: true,
    }
}

/// Takes the first attribute off an item and runs it, as the compiler would.
fn expand_item(mut item: syn::Item, enabled: bool) -> TokenStream {
    let attrs = match &mut item {
        syn::Item::Fn(item) => &mut item.attrs,
        syn::Item::Impl(item) => &mut item.attrs,
        syn::Item::Trait(item) => &mut item.attrs,
        syn::Item::Mod(item) => &mut item.attrs,
        _ => return item.into_token_stream(),
    };
    if !attrs
        .first()
        .is_some_and(|attr| attr.path().is_ident("measure"))
    {
        return item.into_token_stream();
    }
    let args = match attrs.remove(0).meta {
        syn::Meta::List(list) => list.tokens,
        _ => TokenStream::new(),
    };
    fallback::measure(args, item.into_token_stream(), features(enabled))
}

fn expand_file(source: &str, enabled: bool) -> String {
    let file = syn::parse_file(source).expect("the case is Rust");
    let items = file
        .items
        .into_iter()
        .map(|item| expand_item(item, enabled));
    let expanded: TokenStream = items.collect();
    let items = syn::parse2::<syn::File>(expanded)
        .expect("the expansion is Rust")
        .items;
    prettyplease::unparse(&syn::File {
        shebang: None,
        frontmatter: None,
        attrs: file.attrs,
        items,
    })
}

fn check(case: &str) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expand");
    let source = fs::read_to_string(directory.join(format!("{case}.rs"))).expect("the case exists");
    let golden = directory.join(format!("{case}.expanded.rs"));
    let actual = expand_file(&source, true);
    if env::var_os("KHIVE_PERF_BLESS").is_some() {
        fs::write(&golden, &actual).expect("the expansion can be written");
        return;
    }
    let expected = fs::read_to_string(&golden).unwrap_or_default();
    assert_eq!(
        actual, expected,
        "{case} expands otherwise; if it should, bless it with KHIVE_PERF_BLESS=1"
    );
}

#[test]
fn a_function_gets_a_guard_in_front_of_its_statements() {
    check("sync");
}

#[test]
fn an_async_function_becomes_the_measured_future_of_its_statements() {
    check("async");
}

#[test]
fn a_result_is_looked_at_where_it_is_returned() {
    check("outcome");
}

#[test]
fn a_returned_future_is_wrapped_where_it_is_returned() {
    check("future");
}

#[test]
fn a_block_has_its_functions_measured_and_the_rest_untouched() {
    check("block");
}

#[test]
fn only_what_was_said_about_recording_reaches_the_callsite() {
    check("settings");
}

#[test]
fn a_span_is_opened_before_the_measurement_begins() {
    check("span");
}

/// What the documentation shows of an expansion is one, to the letter.
#[test]
fn the_documented_expansion_is_what_comes_out() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/measure.md");
    let text = fs::read_to_string(&path).expect("the documentation exists");
    let (before, section) = text
        .split_once("# What it expands to")
        .expect("it has this section");
    let mut blocks = section.split("```text\n").skip(1).map(|block| {
        let (block, _) = block.split_once("```").expect("a block has an end");
        block
    });
    let source = blocks.next().expect("the functions are there");
    let shown = blocks.next().expect("and what becomes of them");
    let actual = expand_file(source, true).replace("}\nfn", "}\n\nfn");
    if env::var_os("KHIVE_PERF_BLESS").is_some() {
        let section = section.replacen(shown, &actual, 1);
        let text = format!("{before}# What it expands to{section}");
        fs::write(&path, text).expect("the documentation can be written");
        return;
    }
    assert_eq!(shown, actual, "bless it with KHIVE_PERF_BLESS=1");
}

/// With the feature off, all that goes is our attributes.
#[test]
fn disabled_items_come_out_as_they_went_in() {
    for case in [
        "sync", "async", "outcome", "future", "block", "settings", "span",
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/expand/{case}.rs"));
        let source = fs::read_to_string(path).expect("the case exists");
        let bare: String = source
            .lines()
            .filter(|line| !line.trim_start().starts_with("#[measure"))
            .map(|line| {
                let line = line.replace(", measure(skip))", ")");
                format!("{line}\n")
            })
            .collect();
        let without_attributes =
            prettyplease::unparse(&syn::parse_file(&bare).expect("the case is Rust"));
        assert_eq!(expand_file(&source, false), without_attributes, "{case}");
    }
}

#[test]
fn a_body_that_does_not_parse_is_measured_all_the_same() {
    let item: TokenStream = "fn typing(x: u8) { let y = x. ; y + }"
        .parse()
        .expect("these are tokens");
    let expanded = fallback::measure(TokenStream::new(), item, features(true)).to_string();
    assert!(
        expanded.contains("__KHIVE_PERF_CALLSITE . enter"),
        "{expanded}"
    );
    assert!(expanded.contains("let y = x . ; y +"), "{expanded}");
    assert!(!expanded.contains("compile_error"), "{expanded}");
}

/// What is told from its tokens comes out as what is parsed.
#[test]
fn a_function_that_is_not_parsed_comes_out_as_if_it_were() {
    let told = [
        "fn f() {}",
        "#[inline] /// text\n pub(in a::b) unsafe extern \"C\" fn f<T: B<{ 1 }>>(x: [u8; 2],) -> u8 where T: C { use x::Y; let y = 1; y }",
        "fn f(&self, x: impl Fn(u8) -> u8) -> Result<(), E> { #![allow(a)] const X: u8 = 1; self.x(); Ok(()) }",
        "pub fn r#fn(x: Pin<Box<dyn Future>>) -> u8 { m! {} x }",
        "fn f() -> ! { loop {} }",
        "async fn f() {}",
        "#[inline] /// text\n pub(in a::b) async fn f(&'a mut self, x: Vec<(u8, fn() -> A<u8>)>, y: &str, z: u32, w: Self::W,) -> Result<X<{ 1 }>, E> where Self: C { x().await; z }",
        "#[clippy::msrv = \"1\"] async fn r#fn(r#mut: *const u8, a: [u8; 3]) -> () { #![allow(a)] const X: u8 = 1; X.y() }",
        "async fn f(_x: u8, _y: &T) -> u8 { 1 }",
    ];
    for item in told {
        let item: TokenStream = item.parse().expect("these are tokens");
        assert!(plain::Told::read(item.clone()).is_some(), "{item}");
        let expanded = fallback::measure(TokenStream::new(), item.clone(), features(true));
        let parsed = fallback::parsed(TokenStream::new(), item, features(true));
        // The parser parts `>>`.
        let tight = |tokens: TokenStream| tokens.to_string().replace(' ', "");
        assert_eq!(tight(expanded), tight(parsed));
    }
    let doubtful = [
        "async fn f<T>(x: T) {}",
        "async fn f(mut x: X) {}",
        "async fn f(_: u8) {}",
        "async fn f(_x: X) {}",
        "async fn f(self) {}",
        "async fn f(self: &Self) {}",
        "async fn f((x, y): X) {}",
        "async fn f(#[cfg(x)] x: X) {}",
        "async fn f() -> ! { loop {} }",
        "async fn f() -> (u8, impl T) {}",
        "async unsafe fn f() {}",
        "#[instrument] async fn f() {}",
        "#[a::inline] async fn f() {}",
        "const fn f() {}",
        "#[unsafe(naked)] extern \"C\" fn f() { naked_asm!(\"ret\") }",
        "#[expect(clippy::too_many_lines)] fn f() {}",
        "fn f();",
        "fn f() -> (Pin<Box<dyn Future<Output = u8>>>) { g() }",
        "fn f<T>() -> T where T: Future { g() }",
        "#[khive_perf::measure] fn f() {}",
        "impl T { fn f() {} }",
        "mod m { fn f() {} }",
        "trait T { fn f() {} }",
    ];
    for item in doubtful {
        let item: TokenStream = item.parse().expect("these are tokens");
        assert!(plain::Told::read(item.clone()).is_none(), "{item}");
    }
}

#[test]
fn an_error_stands_beside_the_untouched_item() {
    for enabled in [false, true] {
        let args: TokenStream = "nme = \"x\", err, err, sample = 0, slow = \"1h\""
            .parse()
            .expect("these are tokens");
        let item: TokenStream = "fn f() -> u8 { 1 }".parse().expect("these are tokens");
        let expanded = fallback::measure(args, item, features(enabled)).to_string();
        assert_eq!(expanded.matches("compile_error").count(), 4, "{expanded}");
        assert!(expanded.contains("did you mean `name`?"), "{expanded}");
        assert!(expanded.contains("duplicate argument `err`"), "{expanded}");
        assert!(expanded.contains("would time no call"), "{expanded}");
        assert!(expanded.contains("unknown unit `h`"), "{expanded}");
        assert!(expanded.ends_with("fn f () -> u8 { 1 }"), "{expanded}");
    }
}

/// Tokens that mean something to the attribute, and some that do not.
fn tokens(words: &'static [&'static str], count: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(words), 0..count)
        .prop_map(|words| words.join(" "))
}

const ARGUMENTS: &[&str] = &[
    "name",
    "group",
    "err",
    "ok_if",
    "fields",
    "crate",
    "skip",
    "sample",
    "slow",
    "alloc",
    "span",
    "\"1.5ms\"",
    "64",
    "-",
    "0.1",
    "=",
    ",",
    "\"text\"",
    "\"\"",
    "(a, b = %c, d = ?e)",
    "(",
    ")",
    "|x| x.is_ok()",
    "Result::is_ok",
    "::",
    "r#type",
    "1",
    "%",
    "?",
    "$",
    "'a",
    "[]",
    "{}",
    "#",
];

const ITEMS: &[&str] = &[
    "fn f(x: u8) -> u8 { x }",
    "async fn f(&self) { g().await; }",
    "fn f() -> BoxFuture<'a, Result<u8, ()>> { if x { return y } Box::pin(z) }",
    "impl T for U",
    "trait T",
    "mod m",
    "fn",
    "f",
    "(x: u8)",
    "()",
    "->",
    "impl Future<Output = u8>",
    "Result<u8, ()>",
    "!",
    "{ x + }",
    "{ return x }",
    "{}",
    ";",
    "async",
    "const",
    "unsafe",
    "extern \"C\"",
    "pub",
    "pub(crate)",
    "impl",
    "trait",
    "mod",
    "T",
    "for",
    "<const N: usize>",
    "<{ N }>",
    "<",
    ">",
    "where",
    "struct",
    "#[measure]",
    "#[measure(skip)]",
    "#[measure(nam)]",
    "#[inline]",
    "{ fn g(self) {} type F = u8; }",
    "default",
    "&",
    "self",
    ":",
    ",",
    "Pin<Box<dyn Future>>",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// An editor sends whatever has been typed so far.
    #[test]
    fn no_tokens_make_the_macro_panic(args in tokens(ARGUMENTS, 8), item in tokens(ITEMS, 12)) {
        let (Ok(args), Ok(item)) = (args.parse::<TokenStream>(), item.parse::<TokenStream>()) else {
            return Ok(());
        };
        for enabled in [false, true] {
            let expanded = fallback::measure(args.clone(), item.clone(), features(enabled)).to_string();
            let refused = expanded.contains("compile_error");
            let nested = item.to_string().contains("measure");
            if (refused || !enabled) && !nested {
                // Inside a block the spaces between tokens may differ.
                let tight = |text: &str| text.replace(' ', "");
                prop_assert!(tight(&expanded).ends_with(&tight(&item.to_string())), "{item} became {expanded}");
            }
        }
    }
}
