//! What is recorded beside counts and times.
fn busy() {
    static __KHIVE_PERF_CALLSITE: ::khive_perf::__private::Callsite = {
        enum Here {}
        ::khive_perf::__private::Here.function::<Here>().sample(64).slow_ns(1500000000)
    };
    let __khive_perf_guard = ::khive_perf::__private::enter(&__KHIVE_PERF_CALLSITE);
    let __khive_perf_alloc = ::khive_perf::__private::count_alloc(&__khive_perf_guard);
}
fn slow() -> impl ::core::future::Future<Output = ()> {
    static __KHIVE_PERF_CALLSITE: ::khive_perf::__private::Callsite = {
        enum Here {}
        ::khive_perf::__private::Here.future::<Here>().slow_ns(250000)
    };
    ::khive_perf::__private::measure_future(
        &__KHIVE_PERF_CALLSITE,
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
        static __KHIVE_PERF_CALLSITE: ::khive_perf::__private::Callsite = {
            enum Here {}
            ::khive_perf::__private::Here.function::<Here>().sample(8)
        };
        let __khive_perf_guard = ::khive_perf::__private::enter(&__KHIVE_PERF_CALLSITE);
        let __khive_perf_alloc = ::khive_perf::__private::count_alloc(
            &__khive_perf_guard,
        );
    }
    fn says_otherwise(&self) {
        static __KHIVE_PERF_CALLSITE: ::khive_perf::__private::Callsite = {
            enum Here {}
            ::khive_perf::__private::Here
                .function::<Here>()
                .sample(1)
                .slow_ns(120000000000)
        };
        let __khive_perf_guard = ::khive_perf::__private::enter(&__KHIVE_PERF_CALLSITE);
        let __khive_perf_alloc = ::khive_perf::__private::count_alloc(
            &__khive_perf_guard,
        );
    }
}
