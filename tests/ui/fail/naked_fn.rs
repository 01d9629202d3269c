//! A naked function holds nothing but its assembly.
#[khive_perf::measure]
#[unsafe(naked)]
pub extern "C" fn nothing() {
    core::arch::naked_asm!("ret")
}

fn main() {
    nothing();
}
