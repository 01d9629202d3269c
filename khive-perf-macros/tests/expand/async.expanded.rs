//! Async functions: one that can say `impl Future`, and some that cannot.
fn fetch(
    client: &Client,
    url: Url,
) -> impl ::core::future::Future<Output = Result<Box<dyn Body>, Error>> {
    static __KHIVE_PERF_CALLSITE: ::khive_perf::__private::Callsite = ::khive_perf::__private::FUTURE;
    enum __KhivePerfFunction {}
    ::khive_perf::__private::measure_future(
        __KHIVE_PERF_CALLSITE.here::<__KhivePerfFunction>(),
        async move {
            if false {
                return ::khive_perf::__private::never_called::<
                    Result<Box<dyn Body>, Error>,
                >();
            }
            #[allow(clippy::redundant_locals, clippy::shadow_same)]
            let url = url;
            {
                let response = client.get(url).await?;
                Ok(Box::new(response))
            }
        },
    )
}
async fn pair(__khive_perf_argument_0: (Left, Right)) -> impl Sum {
    static __KHIVE_PERF_CALLSITE: ::khive_perf::__private::Callsite = ::khive_perf::__private::FUTURE;
    enum __KhivePerfFunction {}
    ::khive_perf::__private::measure_future(
            __KHIVE_PERF_CALLSITE.here::<__KhivePerfFunction>(),
            async move {
                #[allow(
                    clippy::no_effect_underscore_binding,
                    clippy::redundant_locals,
                    clippy::shadow_same,
                    clippy::used_underscore_binding
                )]
                #[allow(unused_mut)]
                let mut __khive_perf_argument_0 = __khive_perf_argument_0;
                #[allow(
                    clippy::no_effect_underscore_binding,
                    clippy::redundant_locals,
                    clippy::shadow_same,
                    clippy::used_underscore_binding
                )]
                let (left, right) = __khive_perf_argument_0;
                {
                    let _ = ();
                    left.join(right).await
                }
            },
        )
        .await
}
async fn serve(listener: Listener) -> ! {
    static __KHIVE_PERF_CALLSITE: ::khive_perf::__private::Callsite = ::khive_perf::__private::FUTURE;
    enum __KhivePerfFunction {}
    match ::khive_perf::__private::measure_future(
            __KHIVE_PERF_CALLSITE.here::<__KhivePerfFunction>(),
            async move {
                if false {
                    return ::khive_perf::__private::never_called::<
                        ::core::convert::Infallible,
                    >();
                }
                #[allow(clippy::redundant_locals, clippy::shadow_same)]
                let listener = listener;
                {
                    let _ = ();
                    loop {
                        listener.accept().await;
                    }
                }
            },
        )
        .await
    {}
}
#[instrument]
async fn order(id: u64, customer: String) {
    static __KHIVE_PERF_CALLSITE: ::khive_perf::__private::Callsite = ::khive_perf::__private::FUTURE;
    enum __KhivePerfFunction {}
    {
        let __khive_perf_series = ::khive_perf::__private::series(
            __KHIVE_PERF_CALLSITE.here::<__KhivePerfFunction>(),
            &[
                ("order", ::khive_perf::__private::ToValue::to_value(&(id))),
                ("customer", ::khive_perf::__private::ToValue::to_value(&(customer))),
            ],
        );
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
        )
    }
        .await
}
