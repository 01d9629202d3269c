//! A naked function holds nothing but its assembly: a block leaves it out.
#![deny(warnings)]

use khive_perf::measure;

#[measure]
#[cfg(target_arch = "x86_64")]
mod assembly {
    #[unsafe(naked)]
    pub extern "C" fn one() -> u32 {
        core::arch::naked_asm!("mov eax, 1", "ret")
    }

    #[inline(never)]
    #[unsafe(no_mangle)]
    pub extern "C" fn khive_perf_tests_two() -> u32 {
        one() + 1
    }
}

fn main() {
    #[cfg(target_arch = "x86_64")]
    assert_eq!((assembly::one(), assembly::khive_perf_tests_two()), (1, 2));
}
