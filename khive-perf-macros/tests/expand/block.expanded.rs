//! Blocks: an `impl`, a `trait` and a `mod`.
impl<const N: usize> Store for Disk<{ N + 1 }> {
    type Future = Pin<Box<dyn Future<Output = Result<u8, Error>>>>;
    const LIMIT: usize = { N };
    fn load(&self) -> Self::Future {
        static __KHIVE_PERF_CALLSITE: ::khive_perf::__private::Callsite = ::khive_perf::__private::Callsite::new(
            &const { ::khive_perf::__private::Spec::FUTURE.group("store") },
        );
        enum __KhivePerfFunction {}
        Box::pin(
            ::khive_perf::__private::measure_future_if(
                __KHIVE_PERF_CALLSITE.here::<__KhivePerfFunction>(),
                self.file.read(),
                |__khive_perf_returned| ::khive_perf::__private::is_ok(
                    __khive_perf_returned,
                ),
            ),
        )
    }
    fn len(&self) -> usize {
        self.len
    }
    fn save(&self) -> io::Result<()> {
        static __KHIVE_PERF_CALLSITE: ::khive_perf::__private::Callsite = ::khive_perf::__private::Callsite::new(
            &const {
                ::khive_perf::__private::Spec::FUNCTION.name("save").group("store")
            },
        );
        enum __KhivePerfFunction {}
        let mut __khive_perf_guard = __KHIVE_PERF_CALLSITE
            .enter::<__KhivePerfFunction>();
        let __khive_perf_returned = ::core::option::Option::unwrap_or_else(
            ::core::option::Option::None,
            move || -> io::Result<()> {
                let _ = ();
                self.file.write()
            },
        );
        __khive_perf_guard
            .outcome(::khive_perf::__private::is_ok(&__khive_perf_returned));
        __khive_perf_returned
    }
    #[cfg(test)]
    #[cfg_attr(test, inline)]
    #[expect(clippy::unused_self, unused_mut, reason = "of the trait")]
    fn rewind(&self) {
        let mut position = 0;
    }
    #[cfg(not(test))]
    #[cfg_attr(test, inline)]
    #[expect(clippy::unused_self, unused_mut, reason = "of the trait")]
    fn rewind(&self) {
        static __KHIVE_PERF_CALLSITE: ::khive_perf::__private::Callsite = ::khive_perf::__private::Callsite::new(
            &const { ::khive_perf::__private::Spec::FUNCTION.group("store") },
        );
        enum __KhivePerfFunction {}
        let __khive_perf_guard = __KHIVE_PERF_CALLSITE.enter::<__KhivePerfFunction>();
        let mut position = 0;
    }
    const fn limit() -> usize {
        N
    }
}
trait Shape {
    fn area(&self) -> f64;
    fn is_large(&self) -> bool {
        static __KHIVE_PERF_CALLSITE: ::khive_perf::__private::Callsite = ::khive_perf::__private::FUNCTION;
        enum __KhivePerfFunction {}
        let __khive_perf_guard = __KHIVE_PERF_CALLSITE.enter::<__KhivePerfFunction>();
        self.area() > 1.0
    }
}
mod geometry {
    pub struct Square(f64);
    impl Square {
        pub fn side(&self) -> f64 {
            static __KHIVE_PERF_CALLSITE: ::khive_perf::__private::Callsite = ::khive_perf::__private::FUNCTION;
            enum __KhivePerfFunction {}
            let __khive_perf_guard = __KHIVE_PERF_CALLSITE
                .enter::<__KhivePerfFunction>();
            self.0
        }
    }
    pub fn unit() -> Square {
        static __KHIVE_PERF_CALLSITE: ::khive_perf::__private::Callsite = ::khive_perf::__private::FUNCTION;
        enum __KhivePerfFunction {}
        let __khive_perf_guard = __KHIVE_PERF_CALLSITE.enter::<__KhivePerfFunction>();
        Square(1.0)
    }
}
