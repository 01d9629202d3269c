//! Stack: the return addresses of the calling thread, read in the allocator's hook.
//!
//! Nothing here allocates from Rust's global allocator, waits for a lock that a program could hold while it allocates, or
//! reads memory outside of the thread's own stack by an address that it has not compared with the bounds. Two ways:
//!
//! - By the tables that exceptions are unwound by, with the unwinder that the standard library brings with it. It finds its way
//!   through code of any language, some hundred nanoseconds a frame. On x86-64 a stack that was walked before is known again
//!   instead.
//! - By frame pointers, a few nanoseconds a frame, where the whole program was built with them. In code without, the walk
//!   ends early or finds nonsense, within the bounds.

use crate::config::{self, HEAP_STACK_FRAMES_CAPACITY as FRAMES_CAPACITY};
use crate::heap::traces::Step;

/// Return addresses, the innermost first.
pub(crate) struct Stack {
    addresses: [usize; FRAMES_CAPACITY],
    len: usize,
}

impl Stack {
    /// None at all.
    pub(crate) const fn none() -> Self {
        Self {
            addresses: [0; FRAMES_CAPACITY],
            len: 0,
        }
    }

    /// The stack of the calling thread, as the configuration asks for it. Frames up to that of `hook`, a variable on the stack
    /// of the function that calls this, or of one of its callers, are left out.
    pub(crate) fn take<T>(hook: &T) -> Self {
        let mut stack = Self::none();
        let frames = config::heap_stack_frames().min(FRAMES_CAPACITY);
        if frames > 0 {
            walk::take(&mut stack, std::ptr::from_ref(hook).addr(), frames);
        }
        stack
    }

    /// The outermost first.
    pub(crate) fn steps(&self) -> impl Iterator<Item = Step> {
        let addresses = self.addresses.iter().take(self.len).rev();
        addresses.map(|address| Step::Return(*address))
    }

    #[cfg_attr(
        not(all(
            target_os = "linux",
            any(target_arch = "x86_64", target_arch = "aarch64"),
            not(miri)
        )),
        expect(dead_code, reason = "no stack is walked")
    )]
    fn push(&mut self, address: usize) {
        if let Some(place) = self.addresses.get_mut(self.len) {
            *place = address;
            self.len += 1;
        }
    }
}

/// Where no stack is walked.
#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(miri)
)))]
mod walk {
    use super::Stack;

    pub(super) const fn take(_stack: &mut Stack, _hook: usize, _frames: usize) {}
}

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(miri)
))]
mod walk {
    use std::cell::Cell;
    use std::ffi::{c_int, c_void};
    use std::mem::MaybeUninit;
    use std::ops::Range;

    use super::{FRAMES_CAPACITY, Stack};
    use crate::config;

    /// What the unwinder knows of a frame.
    #[repr(C)]
    struct Frame {
        _private: [u8; 0],
    }

    /// `pthread_attr_t`: 56 bytes on 64-bit machines of Linux, 64 on some; there is room for more.
    #[repr(C, align(16))]
    struct Attributes([u8; 256]);

    const GO_ON: c_int = 0;
    /// `_URC_NORMAL_STOP`: anything but 0 ends the walk.
    const STOP: c_int = 4;

    // Part of what the standard library itself is linked with, on every Linux.
    unsafe extern "C" {
        fn _Unwind_Backtrace(
            each: extern "C" fn(*mut Frame, *mut c_void) -> c_int,
            argument: *mut c_void,
        ) -> c_int;
        fn _Unwind_GetIP(frame: *mut Frame) -> usize;
        fn _Unwind_GetCFA(frame: *mut Frame) -> usize;
        fn pthread_self() -> usize;
        fn pthread_getattr_np(thread: usize, attributes: *mut Attributes) -> c_int;
        fn pthread_attr_getstack(
            attributes: *const Attributes,
            lowest: *mut *mut c_void,
            size: *mut usize,
        ) -> c_int;
        fn pthread_attr_destroy(attributes: *mut Attributes) -> c_int;
    }

    thread_local! {
        /// Highest address of the thread's stack; 0 while nobody has asked, 1 where it is not known.
        static TOP: Cell<usize> = const { Cell::new(0) };
    }

    const UNKNOWN: usize = 1;

    /// More than the frame takes of the function that asks the unwinder.
    const OWN_FRAME: usize = 4_096;

    /// Highest address of the calling thread's stack. Asked once a thread: the C library looks for it in `/proc/self/maps`
    /// where the thread is the first.
    fn top() -> usize {
        TOP.with(|top| {
            if top.get() == 0 {
                top.set(look_for_top().unwrap_or(UNKNOWN));
            }
            top.get()
        })
    }

    fn look_for_top() -> Option<usize> {
        let mut attributes = MaybeUninit::<Attributes>::zeroed();
        // SAFETY: asks for nothing.
        let this = unsafe { pthread_self() };
        // SAFETY: the thread is alive, and there is more room than the attributes take.
        let known = unsafe { pthread_getattr_np(this, attributes.as_mut_ptr()) };
        if known != 0 {
            return None;
        }
        let (mut lowest, mut size) = (std::ptr::null_mut::<c_void>(), 0_usize);
        // SAFETY: the attributes were filled above.
        let told =
            unsafe { pthread_attr_getstack(attributes.as_ptr(), &raw mut lowest, &raw mut size) };
        // SAFETY: they were filled above, and are not used again.
        unsafe { pthread_attr_destroy(attributes.as_mut_ptr()) };
        (told == 0).then(|| lowest.addr().checked_add(size))?
    }

    /// A walk that is under way.
    struct Walk<'a> {
        stack: &'a mut Stack,
        /// Frames whose callees begin at or below are the hook's.
        hook: usize,
        /// Where the next frame out must lie.
        within: Range<usize>,
        left: usize,
        /// The end of the frame that each address returns from.
        above: [usize; FRAMES_CAPACITY],
    }

    impl Walk<'_> {
        /// Takes a frame in, whose callee began at `above`; says whether to go on.
        fn step(&mut self, address: usize, above: usize) -> bool {
            if !self.within.contains(&above) || address == 0 {
                return false;
            }
            // Frames further out lie higher, or the walk goes in circles.
            self.within.start = above;
            if above > self.hook {
                if let Some(place) = self.above.get_mut(self.stack.len) {
                    *place = above;
                }
                self.stack.push(address);
                self.left -= 1;
            }
            self.left > 0
        }
    }

    pub(super) fn take(stack: &mut Stack, hook: usize, frames: usize) {
        let here = 0_u8;
        let lowest = std::ptr::from_ref(&here).addr();
        let top = top();
        // On a stack of its own, such as a fiber's, no bounds are known.
        if !(lowest..top).contains(&hook) {
            return;
        }
        let mut walk = Walk {
            stack,
            hook,
            // The unwinder begins with this function, whose frame begins a little lower. It is asked, not read.
            within: lowest - OWN_FRAME..top,
            left: frames,
            above: [0; FRAMES_CAPACITY],
        };
        if config::heap_frame_pointers() {
            by_frame_pointers(&mut walk);
        } else if !known::recall(&mut walk) {
            let walk: *mut Walk<'_> = &raw mut walk;
            // SAFETY: the callback takes the argument for what it is, and does not unwind.
            unsafe { _Unwind_Backtrace(each, walk.cast()) };
            // SAFETY: as above; the unwinder is done with it.
            known::keep(unsafe { &*walk });
        }
    }

    /// Stacks that were walked before.
    #[cfg(target_arch = "x86_64")]
    mod known {
        use super::Walk;
        use crate::heap::memo::{self, Return};

        pub(super) fn recall(walk: &mut Walk<'_>) -> bool {
            let (hook, within) = (walk.hook, walk.hook..walk.within.end);
            // SAFETY: from the hook's frame, which is on this thread's stack, to where that began.
            unsafe { memo::recall(hook, &within, walk.left, |address| walk.stack.push(address)) }
        }

        pub(super) fn keep(walk: &Walk<'_>) {
            let none = Return {
                address: 0,
                above: 0,
            };
            let mut returns = [none; super::FRAMES_CAPACITY];
            let stack = walk.stack.addresses.iter().zip(&walk.above);
            for (place, (address, above)) in returns.iter_mut().zip(stack) {
                (place.address, place.above) = (*address, *above);
            }
            let returns = returns.get(..walk.stack.len).unwrap_or_default();
            memo::keep(walk.hook, walk.left + walk.stack.len, returns);
        }
    }

    /// Return addresses do not lie where frames end.
    #[cfg(not(target_arch = "x86_64"))]
    mod known {
        use super::Walk;

        pub(super) const fn recall(_walk: &mut Walk<'_>) -> bool {
            false
        }

        pub(super) const fn keep(_walk: &Walk<'_>) {}
    }

    extern "C" fn each(frame: *mut Frame, walk: *mut c_void) -> c_int {
        // SAFETY: it is what `take` handed to the unwinder, which calls back from there and nobody else meanwhile.
        let walk = unsafe { &mut *walk.cast::<Walk<'_>>() };
        // SAFETY: the frame is the unwinder's, for as long as this call.
        let address = unsafe { _Unwind_GetIP(frame) };
        // SAFETY: as above. It is where the frame's callee began, that is the frame's own stack pointer.
        let above = unsafe { _Unwind_GetCFA(frame) };
        if walk.step(address, above) {
            GO_ON
        } else {
            STOP
        }
    }

    /// Follows the chain of frame pointers: at each is the next one, and the return address above it.
    fn by_frame_pointers(walk: &mut Walk<'_>) {
        const WORD: usize = size_of::<usize>();
        let here = 0_u8;
        walk.within.start = std::ptr::from_ref(&here).addr();
        let mut frame = frame_pointer();
        while frame.is_multiple_of(WORD)
            && walk.within.contains(&frame)
            && walk.within.contains(&(frame + WORD))
        {
            let next = std::ptr::with_exposed_provenance::<usize>(frame);
            // SAFETY: an aligned word within this thread's stack, between where it is now and where it began, by the tests
            // above. Whatever is there, it is some number.
            let next = unsafe { next.read_volatile() };
            let address = std::ptr::with_exposed_provenance::<usize>(frame + WORD);
            // SAFETY: as above.
            let address = unsafe { address.read_volatile() };
            if !walk.step(address, frame + 2 * WORD) || next <= frame {
                return;
            }
            frame = next;
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn frame_pointer() -> usize {
        let frame: usize;
        // SAFETY: reads a register.
        unsafe {
            std::arch::asm!("mov {}, rbp", out(reg) frame, options(nomem, nostack, preserves_flags));
        }
        frame
    }

    #[cfg(target_arch = "aarch64")]
    fn frame_pointer() -> usize {
        let frame: usize;
        // SAFETY: reads a register.
        unsafe {
            std::arch::asm!("mov {}, x29", out(reg) frame, options(nomem, nostack, preserves_flags));
        }
        frame
    }
}

#[cfg(all(
    test,
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(miri)
))]
mod tests {
    use super::*;

    #[inline(never)]
    fn deep(calls: usize, hook: Option<usize>) -> Stack {
        let here = calls;
        if calls == 0 {
            let mut stack = Stack::none();
            let hook = hook.unwrap_or_else(|| std::ptr::from_ref(&here).addr());
            walk::take(&mut stack, hook, FRAMES_CAPACITY);
            return stack;
        }
        std::hint::black_box(deep(calls - 1, hook))
    }

    #[test]
    fn a_stack_has_a_frame_for_each_call() {
        let counts = [5, 10, 20].map(|calls| deep(calls, None).len);
        assert_eq!([counts[1] - counts[0], counts[2] - counts[1]], [5, 10]);
        let stack = deep(200, None);
        assert_eq!(stack.len, FRAMES_CAPACITY);
        // The recursion returns to the same place again and again.
        let middle = &stack.addresses[8..56];
        assert!(middle.iter().all(|address| *address == middle[0]));
    }

    #[inline(never)]
    fn leaf() -> Stack {
        let here = 0_u8;
        let mut stack = Stack::none();
        walk::take(
            &mut stack,
            std::ptr::from_ref(&here).addr(),
            FRAMES_CAPACITY,
        );
        stack
    }

    #[inline(never)]
    fn this_way() -> Stack {
        std::hint::black_box(leaf())
    }

    #[inline(never)]
    fn that_way() -> Stack {
        std::hint::black_box(leaf())
    }

    #[test]
    fn a_stack_that_is_known_again_is_the_one_that_it_is() {
        let ways: [fn() -> Stack; 2] = [this_way, that_way];
        let order = [0, 1, 1, 0, 0, 1, 0];
        // From one place, so that stacks differ by the way only.
        let walked = order.map(|way| {
            let stack = std::hint::black_box(ways[way])();
            stack.addresses[..stack.len].to_vec()
        });
        assert_ne!(walked[0], walked[1]);
        for (way, stack) in order.iter().zip(&walked) {
            assert_eq!(*stack, walked[*way]);
        }
    }

    #[test]
    fn frames_of_the_hook_are_left_out() {
        let here = 0_u8;
        let outside = deep(20, Some(std::ptr::from_ref(&here).addr()));
        let all = deep(20, None);
        assert!(outside.len + 20 <= all.len, "{} {}", outside.len, all.len);
    }

    #[test]
    fn nothing_is_walked_on_a_stack_that_is_not_the_threads() {
        let elsewhere = Box::new(0_u8);
        assert_eq!(deep(5, Some(std::ptr::from_ref(&*elsewhere).addr())).len, 0);
    }
}
