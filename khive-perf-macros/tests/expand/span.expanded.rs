//! Spans of `tracing` beside the measurement.
fn load(path: &Path) -> io::Result<Page> {
    static __KHIVE_PERF_CALLSITE: ::khive_perf::__private::Callsite = ::khive_perf::__private::FUNCTION;
    enum __KhivePerfFunction {}
    static __KHIVE_PERF_SPAN: ::khive_perf::__private::SpanSite = ::khive_perf::__private::SpanSite::new(
        ::khive_perf::__private::SpanSpec {
            name: "load",
            target: ::core::module_path!(),
            level: ::khive_perf::__private::Level::INFO,
            file: ::core::file!(),
            line: ::khive_perf::__private::Here.line(),
            fields: &[::khive_perf::__private::MARKER],
        },
        &__KHIVE_PERF_SPAN,
    );
    let mut __khive_perf_guard = ::khive_perf::__private::enter_traced(
        __KHIVE_PERF_CALLSITE.here::<__KhivePerfFunction>(),
        &__KHIVE_PERF_SPAN,
        &[],
    );
    let __khive_perf_returned = ::core::option::Option::unwrap_or_else(
        ::core::option::Option::None,
        move || -> io::Result<Page> {
            let _ = ();
            read(path)
        },
    );
    __khive_perf_guard.outcome(::khive_perf::__private::is_ok(&__khive_perf_returned));
    __khive_perf_returned
}
fn order(id: u64, customer: Customer) -> impl ::core::future::Future<Output = ()> {
    static __KHIVE_PERF_CALLSITE: ::khive_perf::__private::Callsite = ::khive_perf::__private::Callsite::new(
        &const { ::khive_perf::__private::Spec::FUTURE.name("order") },
    );
    enum __KhivePerfFunction {}
    static __KHIVE_PERF_SPAN: ::khive_perf::__private::SpanSite = ::khive_perf::__private::SpanSite::new(
        ::khive_perf::__private::SpanSpec {
            name: "order",
            target: ::core::module_path!(),
            level: ::khive_perf::__private::Level::DEBUG,
            file: ::core::file!(),
            line: ::khive_perf::__private::Here.line(),
            fields: &["id", "customer", ::khive_perf::__private::MARKER],
        },
        &__KHIVE_PERF_SPAN,
    );
    {
        let (__khive_perf_series, __khive_perf_values) = ::khive_perf::__private::series_traced(
            __KHIVE_PERF_CALLSITE.here::<__KhivePerfFunction>(),
            &__KHIVE_PERF_SPAN,
            &[
                ("id", ::khive_perf::__private::ToValue::to_value(&(id))),
                ("customer", ::khive_perf::__private::display(&(customer.name))),
            ],
        );
        ::khive_perf::__private::trace_future_with(
            &__KHIVE_PERF_SPAN,
            __khive_perf_values,
            ::khive_perf::__private::measure_future_with(
                __KHIVE_PERF_CALLSITE.here::<__KhivePerfFunction>(),
                async move {
                    if false {
                        return ::khive_perf::__private::never_called::<()>();
                    }
                    #[allow(unused_variables)]
                    #[allow(clippy::redundant_locals, clippy::shadow_same)]
                    let customer = customer;
                    {
                        submit(id, customer).await;
                    }
                },
                __khive_perf_series,
            ),
        )
    }
}
fn r#async(&self) -> BoxFuture<'_, ()> {
    static __KHIVE_PERF_CALLSITE: ::khive_perf::__private::Callsite = ::khive_perf::__private::FUTURE;
    enum __KhivePerfFunction {}
    static __KHIVE_PERF_SPAN: ::khive_perf::__private::SpanSite = ::khive_perf::__private::SpanSite::new(
        ::khive_perf::__private::SpanSpec {
            name: "async",
            target: ::core::module_path!(),
            level: ::khive_perf::__private::Level::INFO,
            file: ::core::file!(),
            line: ::khive_perf::__private::Here.line(),
            fields: &[::khive_perf::__private::MARKER],
        },
        &__KHIVE_PERF_SPAN,
    );
    Box::pin(
        ::khive_perf::__private::trace_future(
            &__KHIVE_PERF_SPAN,
            ::khive_perf::__private::measure_future(
                __KHIVE_PERF_CALLSITE.here::<__KhivePerfFunction>(),
                self.work(),
            ),
        ),
    )
}
