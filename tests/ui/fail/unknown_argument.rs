//! Unknown arguments are all reported, each where it stands, and the function is still there.
#[khive_perf::measure(nmae = "x", oki_f = Result::is_ok, gruop = "g", feilds(x), level = "info", rate = 1)]
fn misspelt(x: u8) -> u8 {
    x
}

#[khive_perf::measure(sampel = 64, slwo = "1s", aloc, spam)]
fn misspelt_settings() {}

/// As they are called elsewhere.
#[khive_perf::measure(label = "x", target = "g", error, properties(x), threshold = "1s", error_if = is_bad)]
fn elsewhere(x: u8) -> u8 {
    x
}

fn main() {
    misspelt(1);
    elsewhere(1);
    misspelt_settings();
}
