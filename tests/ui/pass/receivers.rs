//! Every kind of receiver, sync and async, with and without a test of the returned value.
#![deny(warnings)]

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use khive_perf::measure;

struct S(u8);

#[measure]
impl S {
    fn by_value(self) -> u8 {
        self.0
    }
    fn by_mut_value(mut self) -> Self {
        self.0 += 1;
        self
    }
    fn by_ref<'a>(&'a self, _other: &str) -> &'a u8 {
        &self.0
    }
    fn by_explicit_ref(self: &Self) -> u8 {
        self.0
    }
    fn boxed(self: Box<Self>) -> u8 {
        self.0
    }
    fn by_ref_to_box(self: &Box<Self>) -> u8 {
        self.0
    }
    #[measure(ok_if = |x| **x > 0)]
    fn by_mut_ref_to_box(self: &mut Box<Self>) -> &mut u8 {
        self.0 += 1;
        &mut self.0
    }
    fn by_ref_to_rc(self: &Rc<Self>) -> Rc<Self> {
        Rc::clone(self)
    }
    fn pinned_box(self: Pin<Box<Self>>) -> u8 {
        self.0
    }
    fn pinned_rc(self: Pin<Rc<Self>>) -> u8 {
        self.0
    }
    #[measure(err)]
    fn pinned_mut<'a>(mut self: Pin<&'a mut Self>, x: &u8) -> Result<Pin<&'a mut Self>, u8> {
        if *x == 0 {
            return Err(*x);
        }
        self.as_mut().0 += *x;
        Ok(self)
    }
    async fn boxed_async(self: Box<Self>) -> u8 {
        self.0
    }
    async fn by_mut_ref_to_box_async(self: &mut Box<Self>, x: &u8) -> u8 {
        self.0 += *x;
        self.0
    }
    async fn by_ref_to_arc_async(self: &Arc<Self>) -> &u8 {
        &self.0
    }
    #[measure(err)]
    async fn pinned_mut_async(self: Pin<&mut Self>, x: &u8) -> Result<u8, ()> {
        if *x == 0 {
            return Err(());
        }
        Ok(self.0)
    }
    async fn pinned_arc_async(self: Pin<Arc<Self>>) -> Pin<Arc<Self>> {
        self
    }
    fn arc_to_future(self: Arc<Self>) -> impl Future<Output = u8> + Send + 'static {
        async move { self.0 }
    }
    fn ref_to_future(self: &Box<Self>) -> Pin<Box<dyn Future<Output = u8> + Send + '_>> {
        Box::pin(async move { self.0 })
    }
}

fn is_send(_: impl Send) {}

fn main() {
    let mut boxed = Box::new(S(1));
    assert_eq!(*boxed.by_mut_ref_to_box(), 2);
    assert_eq!(
        (
            boxed.by_ref_to_box(),
            boxed.by_explicit_ref(),
            *boxed.by_ref("")
        ),
        (2, 2, 2)
    );
    is_send(boxed.by_mut_ref_to_box_async(&1));
    is_send(boxed.ref_to_future());
    let rc = Rc::new(S(1));
    assert_eq!(rc.by_ref_to_rc().0, 1);
    assert_eq!(
        (Pin::new(rc).pinned_rc(), Box::pin(S(1)).pinned_box()),
        (1, 1)
    );
    let mut s = S(1);
    assert!(Pin::new(&mut s).pinned_mut(&1).is_ok());
    is_send(Pin::new(&mut s).pinned_mut_async(&1));
    assert_eq!(s.by_mut_value().by_value(), 3);
    let arc = Arc::new(S(1));
    is_send(arc.by_ref_to_arc_async());
    is_send(Arc::pin(S(1)).pinned_arc_async());
    is_send(arc.arc_to_future());
    is_send(boxed.boxed_async());
    assert_eq!(Box::new(S(1)).boxed(), 1);
}
