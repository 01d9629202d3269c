//! Every form of function and every argument of `#[measure]`, with the attribute only where the feature
//! `measured` is on, so that lints can be compared line by line. Bodies are ordinary, and some of them
//! trip lints of their own. `asked` turns every lint on that may look at them.
#![cfg_attr(
    not(any(feature = "asked", feature = "measured")),
    expect(
        dead_code,
        clippy::boxed_local,
        clippy::cast_possible_truncation,
        clippy::let_and_return,
        clippy::manual_async_fn,
        clippy::needless_return,
        clippy::ptr_arg,
        clippy::too_many_arguments,
        reason = "what these functions do is measured and not praised"
    )
)]
#![cfg_attr(
    feature = "asked",
    warn(
        clippy::all,
        clippy::pedantic,
        clippy::nursery,
        clippy::restriction,
        future_incompatible,
        keyword_idents,
        let_underscore,
        nonstandard_style,
        refining_impl_trait,
        rust_2018_compatibility,
        rust_2018_idioms,
        rust_2021_compatibility,
        rust_2024_compatibility,
        unused,
        absolute_paths_not_starting_with_crate,
        ambiguous_negative_literals,
        closure_returning_async_block,
        elided_lifetimes_in_paths,
        explicit_outlives_requirements,
        ffi_unwind_calls,
        if_let_rescope,
        impl_trait_redundant_captures,
        let_underscore_drop,
        macro_use_extern_crate,
        meta_variable_misuse,
        missing_abi,
        missing_copy_implementations,
        missing_debug_implementations,
        missing_docs,
        non_ascii_idents,
        redundant_imports,
        redundant_lifetimes,
        single_use_lifetimes,
        tail_expr_drop_order,
        trivial_casts,
        trivial_numeric_casts,
        unit_bindings,
        unnameable_types,
        unreachable_pub,
        unsafe_op_in_unsafe_fn,
        unused_crate_dependencies,
        unused_extern_crates,
        unused_import_braces,
        unused_lifetimes,
        unused_macro_rules,
        unused_qualifications,
        unused_results,
        variant_size_differences,
    )
)]

pub mod arguments;
pub mod asynchronous;
pub mod blocks;
pub mod calls;
pub mod expected;
pub mod returned;
