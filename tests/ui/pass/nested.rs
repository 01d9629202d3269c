//! Functions in functions, in closures, in constants and in what macros write.
#![deny(warnings)]

use khive_perf::measure;

#[measure(err)]
fn outer(x: u8) -> Result<u8, u8> {
    #[measure]
    fn inner(x: u8) -> u8 {
        #[measure]
        async fn innermost(x: u8) -> u8 {
            x
        }
        drop(innermost(x));
        x
    }
    struct Local(u8);
    impl Local {
        #[measure(ok_if = |x| *x > 0)]
        fn get(&self) -> u8 {
            self.0
        }
    }
    let closure = |x| {
        #[measure(err)]
        fn in_closure(x: u8) -> Result<u8, u8> {
            Ok(x)
        }
        in_closure(x)
    };
    let y = closure(inner(x))?;
    Ok(Local(y).get())
}

#[measure]
async fn outer_async(x: u8) -> u8 {
    #[measure]
    async fn inner(x: u8) -> u8 {
        x
    }
    let block = async move {
        #[measure]
        fn in_block(x: u8) -> u8 {
            x
        }
        in_block(x)
    };
    inner(x).await + block.await
}

const _: () = {
    #[measure]
    #[expect(dead_code, reason = "nobody can call it")]
    fn in_constant() {}
};

macro_rules! define {
    ($($name:ident => $helper:ident),*) => {$(
        #[measure(fields(x))]
        fn $name(x: u8) -> u8 {
            #[measure(fields(x))]
            fn $helper(x: u8) -> u8 {
                x
            }
            macro_rules! again {
                () => {{
                    #[measure]
                    fn in_a_macro_in_a_function(x: u8) -> u8 {
                        x
                    }
                    in_a_macro_in_a_function(x)
                }};
            }
            $helper(x) + again!() + again!()
        }
    )*};
}

define!(first => helper, second => helper);

macro_rules! method_with {
    ($($body:tt)*) => {
        #[measure(err)]
        fn with_tokens(_x: u8) -> Result<u8, ()> { $($body)* }
    };
}

// `_x` here is not the argument: hygiene holds.
method_with! {
    let _x = 3;
    if _x == 4 {
        return Err(());
    }
    Ok(_x)
}

fn main() {
    assert_eq!((outer(1), first(1), second(1)), (Ok(1), 3, 3));
    assert_eq!(with_tokens(1), Ok(3));
    drop(outer_async(1));
}
