//! Functions that return a future.
fn ready(value: u8) -> impl Future<Output = u8> + use<> {
    static __KHIVE_PERF_CALLSITE: ::khive_perf::__private::Callsite = ::khive_perf::__private::FUTURE;
    enum __KhivePerfFunction {}
    note();
    ::khive_perf::__private::measure_future(
        __KHIVE_PERF_CALLSITE.here::<__KhivePerfFunction>(),
        async move { value },
    )
}
fn boxed(value: u8) -> Pin<Box<dyn Future<Output = u8> + Send>> {
    static __KHIVE_PERF_CALLSITE: ::khive_perf::__private::Callsite = ::khive_perf::__private::FUTURE;
    enum __KhivePerfFunction {}
    note();
    Box::pin(
        ::khive_perf::__private::measure_future(
            __KHIVE_PERF_CALLSITE.here::<__KhivePerfFunction>(),
            async move { value },
        ),
    )
}
fn early(value: u8) -> BoxFuture<'static, Result<u8, Error>> {
    static __KHIVE_PERF_CALLSITE: ::khive_perf::__private::Callsite = ::khive_perf::__private::FUTURE;
    enum __KhivePerfFunction {}
    ::khive_perf::__private::hold(
        ::khive_perf::__private::measure_future_if(
            __KHIVE_PERF_CALLSITE.here::<__KhivePerfFunction>(),
            ::core::option::Option::unwrap_or_else(
                ::core::option::Option::None,
                move || -> BoxFuture<'static, Result<u8, Error>> {
                    let _ = ();
                    if value == 0 {
                        return failed();
                    }
                    Box::pin(async move { Ok(value) })
                },
            ),
            |__khive_perf_returned| ::khive_perf::__private::is_ok(__khive_perf_returned),
        ),
    )
}
