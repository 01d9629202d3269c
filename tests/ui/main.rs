//! What compiles with `#[measure]`, and what is refused with which words.

#[test]
fn measured_programs_compile_or_are_refused_with_the_expected_words() {
    let cases = trybuild::TestCases::new();
    cases.pass("pass/*.rs");
    cases.compile_fail("fail/*.rs");
}
