//! Runtimes around another one: what each changes stands there, and the rest is said here, once.

/// The methods named, and the types, of a [`Runtime`](nostr_pool_driver::Runtime) that are those of its field `inner`.
macro_rules! as_inner {
    ($($method:ident),*) => {
        type Tcp = R::Tcp;
        type Text = R::Text;
        type Socket = R::Socket;

        $($crate::around::as_inner!(@$method);)*
    };
    (@now) => {
        fn now(&self) -> std::time::Instant {
            self.inner.now()
        }
    };
    (@sleep) => {
        fn sleep(&self, time: std::time::Duration) -> futures::future::BoxFuture<'static, ()> {
            self.inner.sleep(time)
        }
    };
    (@yield_now) => {
        fn yield_now(&self) -> futures::future::BoxFuture<'static, ()> {
            self.inner.yield_now()
        }
    };
    (@spawn) => {
        fn spawn(&self, future: futures::future::BoxFuture<'static, ()>) {
            self.inner.spawn(future);
        }
    };
    (@resolve) => {
        fn resolve(
            &self,
            host: String,
            port: u16,
        ) -> futures::future::BoxFuture<'static, std::io::Result<Vec<std::net::SocketAddr>>> {
            self.inner.resolve(host, port)
        }
    };
    (@connect) => {
        fn connect(
            &self,
            address: std::net::SocketAddr,
        ) -> futures::future::BoxFuture<'static, std::io::Result<R::Tcp>> {
            self.inner.connect(address)
        }
    };
    (@websocket) => {
        fn websocket(
            &self,
            io: nostr_pool_driver::Transport<R::Tcp>,
            limits: nostr_pool_driver::FrameLimits,
        ) -> futures::future::BoxFuture<'static, R::Socket> {
            self.inner.websocket(io, limits)
        }
    };
}
pub(crate) use as_inner;
