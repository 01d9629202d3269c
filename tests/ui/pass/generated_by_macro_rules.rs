//! Functions that come out of `macro_rules!`, in every kind of fragment.
#![deny(warnings)]

pub mod sdk {
    pub use ::khive_perf as perf;
}

macro_rules! functions {
    ($(
        $(#[$meta:meta])*
        $vis:vis fn $name:ident($($arg:ident: $ty:ty),*) -> $out:ty $body:block
    )*) => {$(
        $(#[$meta])*
        #[khive_perf::measure(err, fields($($arg),*))]
        $vis fn $name($($arg: $ty),*) -> $out $body
    )*};
}

functions! {
    /// With documentation.
    pub fn documented(x: u8) -> Result<u8, ()> {
        Ok(x)
    }
    fn two(x: u8, y: String) -> Result<String, std::num::ParseIntError> {
        let n: u8 = y.parse()?;
        if n == x {
            return Ok(y);
        }
        Ok(format!("{x}{y}"))
    }
}

macro_rules! asynchronous {
    ($name:ident, $ty:ty, $literal:literal, $value:expr, $pattern:pat) => {
        #[khive_perf::measure(crate = $crate::sdk::perf, name = $literal, fields(value = $value))]
        async fn $name($pattern: $ty) -> $ty {
            let x: $ty = $value;
            x
        }
    };
}

asynchronous!(named, u8, "a name", 1 + 2, _y);

/// What is known by its output is known of one that a macro passed on.
macro_rules! outputs {
    ($($name:ident $output:ty => $body:block)*) => {$(
        #[khive_perf::measure]
        async fn $name() -> $output $body
    )*};
}

outputs! {
    never ! => { panic!() }
    opaque impl std::fmt::Debug => { 1 }
    opaque_result Result<impl std::fmt::Debug, ()> => {
        if true {
            return Err(());
        }
        Ok(1)
    }
}

macro_rules! futures {
    ($($name:ident $output:ty)*) => {$(
        #[khive_perf::measure]
        fn $name(x: u8) -> $output {
            if x == 0 {
                return Box::pin(std::future::ready(x));
            }
            Box::pin(std::future::ready(1))
        }
    )*};
}

futures! {
    pinned std::pin::Pin<Box<dyn std::future::Future<Output = u8>>>
    opaque_future impl std::future::Future<Output = u8>
}

macro_rules! whole {
    ($item:item) => {
        #[khive_perf::measure]
        $item
    };
}

whole! {
    fn whole(x: &mut u8) {
        *x += 1;
    }
}

whole! {
    impl Methods {
        fn method(&self) -> u8 {
            self.0
        }
    }
}

struct Methods(u8);

macro_rules! method {
    ($self:ident, $name:ident, $body:expr) => {
        impl Methods {
            #[khive_perf::measure(ok_if = |x| *x > 0)]
            fn $name(&$self) -> u8 {
                $body
            }
            #[khive_perf::measure]
            async fn asynchronous(&mut $self, by: u8) -> u8 {
                $self.0 += by;
                $body
            }
        }
    };
}

method!(self, with_self, self.0);

fn main() {
    drop((never(), opaque(), opaque_result(), pinned(1), opaque_future(1)));
    let _ = documented(1);
    let _ = two(1, String::new());
    drop(named(1));
    whole(&mut 1);
    let mut methods = Methods(1);
    methods.method();
    methods.with_self();
    drop(methods.asynchronous(1));
}
