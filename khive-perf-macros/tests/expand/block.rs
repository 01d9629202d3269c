//! Blocks: an `impl`, a `trait` and a `mod`.

#[measure(group = "store", err)]
impl<const N: usize> Store for Disk<{ N + 1 }> {
    type Future = Pin<Box<dyn Future<Output = Result<u8, Error>>>>;
    const LIMIT: usize = { N };
    fn load(&self) -> Self::Future {
        Box::pin(self.file.read())
    }
    #[measure(skip)]
    fn len(&self) -> usize {
        self.len
    }
    #[measure(name = "save")]
    fn save(&self) -> io::Result<()> {
        self.file.write()
    }
    #[cfg_attr(test, inline, measure(skip))]
    #[expect(clippy::unused_self, unused_mut, reason = "of the trait")]
    fn rewind(&self) {
        let mut position = 0;
    }
    const fn limit() -> usize {
        N
    }
}

#[measure]
trait Shape {
    fn area(&self) -> f64;
    fn is_large(&self) -> bool {
        self.area() > 1.0
    }
}

#[measure]
mod geometry {
    pub struct Square(f64);
    impl Square {
        pub fn side(&self) -> f64 {
            self.0
        }
    }
    pub fn unit() -> Square {
        Square(1.0)
    }
}
