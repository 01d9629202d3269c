//! What is recorded beside counts and times.
fn busy() {
    static __KHIVE_PERF_CALLSITE: ::khive_perf::__private::Callsite = ::khive_perf::__private::Callsite::new(
        &const { ::khive_perf::__private::Spec::FUNCTION.sample(64).slow_ns(1500000000) },
    );
    enum __KhivePerfFunction {}
    let __khive_perf_guard = __KHIVE_PERF_CALLSITE.enter::<__KhivePerfFunction>();
    let __khive_perf_alloc = ::khive_perf::__private::count_alloc(&__khive_perf_guard);
}
fn slow() -> impl ::core::future::Future<Output = ()> {
    static __KHIVE_PERF_CALLSITE: ::khive_perf::__private::Callsite = ::khive_perf::__private::Callsite::new(
        &const { ::khive_perf::__private::Spec::FUTURE.slow_ns(250000) },
    );
    enum __KhivePerfFunction {}
    ::khive_perf::__private::measure_future(
        __KHIVE_PERF_CALLSITE.here::<__KhivePerfFunction>(),
        async move {
            if false {
                return ::khive_perf::__private::never_called::<()>();
            }
            {
                let _ = ();
            }
        },
    )
}
impl Store {
    fn inherits(&self) {
        static __KHIVE_PERF_CALLSITE: ::khive_perf::__private::Callsite = ::khive_perf::__private::Callsite::new(
            &const { ::khive_perf::__private::Spec::FUNCTION.sample(8) },
        );
        enum __KhivePerfFunction {}
        let __khive_perf_guard = __KHIVE_PERF_CALLSITE.enter::<__KhivePerfFunction>();
        let __khive_perf_alloc = ::khive_perf::__private::count_alloc(
            &__khive_perf_guard,
        );
    }
    fn says_otherwise(&self) {
        static __KHIVE_PERF_CALLSITE: ::khive_perf::__private::Callsite = ::khive_perf::__private::Callsite::new(
            &const {
                ::khive_perf::__private::Spec::FUNCTION.sample(1).slow_ns(120000000000)
            },
        );
        enum __KhivePerfFunction {}
        let __khive_perf_guard = __KHIVE_PERF_CALLSITE.enter::<__KhivePerfFunction>();
        let __khive_perf_alloc = ::khive_perf::__private::count_alloc(
            &__khive_perf_guard,
        );
    }
}
