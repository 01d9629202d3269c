//! Propagation: headers of whichever library, to read from and to write to.

/// Headers that a caller sent: anything that finds the value of a header by its name.
///
/// Implemented for functions from a name to a value, and with the feature `http` for `&http::HeaderMap`, which the requests
/// of axum, hyper and reqwest have. Of tonic's, write `|name: &str| request.metadata().get(name)?.to_str().ok()`.
pub trait Extract<'a> {
    /// The value of a header, if there is one and it is text. Names are in lower case.
    fn get(&self, name: &str) -> Option<&'a str>;
}

impl<'a, F: Fn(&str) -> Option<&'a str>> Extract<'a> for F {
    fn get(&self, name: &str) -> Option<&'a str> {
        self(name)
    }
}

/// Headers to send to a callee.
///
/// Implemented for functions of a name and a value, and with the feature `http` for `&mut http::HeaderMap`, which the
/// requests of axum, hyper and reqwest have.
pub trait Inject {
    /// Sets a header. Names are in lower case, values printable ASCII.
    fn set(&mut self, name: &'static str, value: String);
}

impl<F: FnMut(&'static str, String)> Inject for F {
    fn set(&mut self, name: &'static str, value: String) {
        self(name, value);
    }
}

#[cfg(feature = "http")]
impl<'a> Extract<'a> for &'a http::HeaderMap {
    fn get(&self, name: &str) -> Option<&'a str> {
        http::HeaderMap::get(self, name)?.to_str().ok()
    }
}

#[cfg(feature = "http")]
impl Inject for &mut http::HeaderMap {
    fn set(&mut self, name: &'static str, value: String) {
        // What is passed on is printable ASCII; anything else would not be a header, and is left out.
        if let Ok(value) = http::HeaderValue::try_from(value) {
            self.insert(http::HeaderName::from_static(name), value);
        }
    }
}
