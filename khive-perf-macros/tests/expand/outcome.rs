//! Functions whose returned value may be an error.

#[measure(err)]
fn first<'a>(list: &'a mut Vec<u8>, owner: Owner) -> Result<&'a mut u8, Error> {
    owner.check()?;
    list.first_mut().ok_or(Error)
}

#[measure(ok_if = |answer| answer.status < 500)]
async fn ask(question: Question) -> Answer {
    question.answer().await
}

#[measure(err)]
#[track_caller]
fn located() -> Result<&'static Location<'static>, Error> {
    Ok(Location::caller())
}
