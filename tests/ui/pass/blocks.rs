//! Blocks with everything that can stand in one; what cannot be measured is left out without a word.
#![deny(warnings)]

use std::future::Future;

use khive_perf::measure;

#[measure(group = "numbers", sample = 8, slow = "1s")]
mod numbers {
    #![allow(dead_code)]

    use std::fmt;

    pub const ONE: u8 = one();
    static mut COUNT: u8 = 0;
    type Byte = u8;

    macro_rules! number {
        ($name:ident = $value:expr) => {
            pub fn $name() -> u8 {
                $value
            }
        };
    }

    number!(two = 2);

    pub const fn one() -> u8 {
        1
    }

    pub const unsafe fn unchecked() -> Byte {
        1
    }

    unsafe extern "C" {
        fn abs(x: i32) -> i32;
    }

    pub fn absolute(x: i32) -> i32 {
        unsafe { abs(x) }
    }

    #[derive(Debug, Default, Clone, PartialEq)]
    pub struct Number {
        pub(crate) value: Byte,
    }

    #[measure(skip)]
    pub fn skipped() -> u8 {
        3
    }

    #[measure(skip)]
    pub mod skipped_module {
        pub const fn one() -> u8 {
            1
        }
        pub fn two() -> u8 {
            one() + 1
        }
    }

    #[measure(skip)]
    impl Number {
        pub fn skipped(&self) -> u8 {
            self.value
        }
    }

    impl fmt::Display for Number {
        #[measure(err, sample = 1)]
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{}", self.value)
        }
    }

    pub(crate) trait Twice: Sized {
        const FACTOR: u8 = 2;
        type Output;
        fn twice(self) -> Self::Output;
        fn four_times(self) -> Self::Output
        where
            Self: Twice<Output = Self>,
        {
            self.twice().twice()
        }
    }

    impl Twice for Number {
        type Output = Self;
        fn twice(self) -> Self {
            Self {
                value: self.value * Self::FACTOR,
            }
        }
    }

    pub mod deep {
        pub mod deeper {
            use super::super::Number;

            impl Number {
                pub async fn next(&mut self) -> &mut u8 {
                    self.value += 1;
                    &mut self.value
                }
            }
        }
    }

    extern crate std as standard;
}

struct Matrix<T, const N: usize>([T; N]);

#[measure]
impl<T: Copy + Default, const N: usize> Matrix<T, { N }>
where
    [T; N]: Sized,
{
    const SIZE: usize = { N * 2 };

    const fn size() -> usize {
        Self::SIZE
    }

    fn get<const I: usize>(&self) -> Option<T> {
        self.0.get(I).copied()
    }

    fn sum<'a, I>(&'a self, others: I) -> impl Iterator<Item = T> + 'a
    where
        I: IntoIterator<Item = &'a T> + 'a,
    {
        self.0.iter().chain(others).copied()
    }

    async fn map<U, F>(self, f: F) -> Vec<U>
    where
        F: Fn(T) -> U,
    {
        self.0.into_iter().map(f).collect()
    }
}

#[measure]
unsafe impl Send for Handle {}
#[measure]
unsafe impl Sync for Handle {}
struct Handle(#[expect(dead_code, reason = "its type is what counts")] *const u8);

#[async_trait::async_trait]
trait Load {
    async fn load(&self, key: &str) -> Option<usize>;
    async fn provided(&self) -> usize {
        1
    }
}

/// Ours below theirs; elsewhere it is the other way round.
#[async_trait::async_trait]
#[measure(ok_if = Option::is_some)]
impl Load for Handle {
    async fn load(&self, key: &str) -> Option<usize> {
        if key.is_empty() {
            return None;
        }
        Some(key.len())
    }

    #[measure(skip)]
    async fn provided(&self) -> usize {
        2
    }
}

#[measure]
#[async_trait::async_trait]
trait Store: Sync {
    async fn put(&self, key: &str) -> usize {
        key.len()
    }
    async fn required(&self);
}

#[async_trait::async_trait]
impl Store for Handle2 {
    #[measure]
    async fn required(&self) {}
}

struct Handle2;

fn is_send<T>(future: impl Future<Output = T> + Send) {
    drop(future);
}

fn main() {
    use numbers::Twice as _;
    let mut number = numbers::Number {
        value: numbers::ONE,
    };
    drop(number.next());
    assert_eq!(format!("{number}{}", number.skipped()), "11");
    assert_eq!(number.four_times().value, 4);
    assert_eq!(
        (numbers::absolute(-1), numbers::skipped_module::two()),
        (1, 2)
    );
    let matrix = Matrix([1, 2]);
    assert_eq!(matrix.get::<1>(), Some(2));
    assert_eq!((matrix.sum(&[3]).count(), Matrix::<u8, 2>::size()), (3, 4));
    drop(matrix.map(|x| x));
    is_send(Handle2.put(""));
    is_send(Handle2.required());
    drop(Handle(&1).load(""));
    drop(Handle(&1).provided());
}
