//! Methods of traits, declared and implemented in all the ways in which a method can be async.
#![deny(warnings)]
#![allow(async_fn_in_trait)]

use std::future::Future;

use khive_perf::measure;

#[measure]
pub trait Provided {
    type Item: Default;
    const N: usize;

    fn required(&self) -> usize;

    fn provided(&self) -> usize {
        self.required() + Self::N
    }

    async fn provided_async(&self) -> Self::Item {
        Self::Item::default()
    }

    fn opaque(&self, x: u8) -> impl Future<Output = u8> + Send {
        async move { x }
    }
}

pub trait Declared {
    async fn by_async(&self, x: &str) -> usize;
    fn by_impl(&self, x: &str) -> impl Future<Output = usize> + Send;
    #[measure(err)]
    fn with_body(&mut self) -> Result<&mut Self, ()> {
        Ok(self)
    }
}

pub struct One;

impl Provided for One {
    type Item = u8;
    const N: usize = 1;

    #[measure]
    fn required(&self) -> usize {
        1
    }

    #[measure]
    async fn provided_async(&self) -> u8 {
        2
    }
}

#[measure]
impl Declared for One {
    async fn by_async(&self, x: &str) -> usize {
        x.len()
    }

    async fn by_impl(&self, x: &str) -> usize {
        x.len()
    }
}

#[async_trait::async_trait]
pub trait Dynamic: Send + Sync {
    async fn required(&self, x: &str) -> Result<Box<dyn std::fmt::Debug>, std::num::ParseIntError>;

    #[measure]
    async fn provided(&mut self, mut x: u8) -> u8 {
        x += 1;
        x
    }
}

#[async_trait::async_trait]
impl Dynamic for One {
    #[measure(err, fields(x, len = x.len()))]
    async fn required(&self, x: &str) -> Result<Box<dyn std::fmt::Debug>, std::num::ParseIntError> {
        let n: u8 = x.parse()?;
        Ok(Box::new(n))
    }
}

pub struct Two(pub String);

#[measure(err)]
#[async_trait::async_trait]
impl Dynamic for Two {
    async fn required(&self, x: &str) -> Result<Box<dyn std::fmt::Debug>, std::num::ParseIntError> {
        let n: u8 = x.parse()?;
        if n == 0 {
            return Ok(Box::new(self.0.clone()));
        }
        Ok(Box::new(n))
    }

    async fn provided(&mut self, x: u8) -> u8 {
        self.0.push('x');
        x
    }
}

fn main() {
    let _ = One.provided();
    drop(One.provided_async());
    drop(One.opaque(1));
    drop(One.by_async(""));
    drop(One.by_impl(""));
    let _ = One.with_body().is_ok();
    let mut list: [Box<dyn Dynamic>; 2] = [Box::new(One), Box::new(Two(String::new()))];
    for dynamic in &mut list {
        drop(dynamic.required("1"));
        drop(dynamic.provided(1));
    }
}
