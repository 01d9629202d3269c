//! Functions whose returned value may be an error.
fn first<'a>(list: &'a mut Vec<u8>, owner: Owner) -> Result<&'a mut u8, Error> {
    static __KHIVE_PERF_CALLSITE: ::khive_perf::__private::Callsite = ::khive_perf::__private::FUNCTION;
    enum __KhivePerfFunction {}
    let mut __khive_perf_guard = __KHIVE_PERF_CALLSITE.enter::<__KhivePerfFunction>();
    let __khive_perf_returned = ::core::option::Option::unwrap_or_else(
        ::core::option::Option::None,
        move || -> Result<&'a mut u8, Error> {
            #[allow(clippy::redundant_locals, clippy::shadow_same)]
            let owner = owner;
            {
                owner.check()?;
                list.first_mut().ok_or(Error)
            }
        },
    );
    __khive_perf_guard.outcome(::khive_perf::__private::is_ok(&__khive_perf_returned));
    __khive_perf_returned
}
fn ask(question: Question) -> impl ::core::future::Future<Output = Answer> {
    static __KHIVE_PERF_CALLSITE: ::khive_perf::__private::Callsite = ::khive_perf::__private::FUTURE;
    enum __KhivePerfFunction {}
    ::khive_perf::__private::measure_future_if(
        __KHIVE_PERF_CALLSITE.here::<__KhivePerfFunction>(),
        async move {
            if false {
                return ::khive_perf::__private::never_called::<Answer>();
            }
            #[allow(clippy::redundant_locals, clippy::shadow_same)]
            let question = question;
            {
                let _ = ();
                question.answer().await
            }
        },
        |__khive_perf_returned| ::core::option::Option::is_some_and(
            ::core::option::Option::Some(__khive_perf_returned),
            |answer| answer.status < 500,
        ),
    )
}
#[track_caller]
fn located() -> Result<&'static Location<'static>, Error> {
    static __KHIVE_PERF_CALLSITE: ::khive_perf::__private::Callsite = ::khive_perf::__private::FUNCTION;
    enum __KhivePerfFunction {}
    let mut __khive_perf_guard = __KHIVE_PERF_CALLSITE.enter::<__KhivePerfFunction>();
    let __khive_perf_returned: Result<&'static Location<'static>, Error> = {
        let _ = ();
        Ok(Location::caller())
    };
    __khive_perf_guard.outcome(::khive_perf::__private::is_ok(&__khive_perf_returned));
    __khive_perf_returned
}
