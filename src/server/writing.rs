//! Connections that are wrapped to be read in another way, and written as they are.

/// Writes to the field `stream` of a wrapper.
macro_rules! writes_to_its_stream {
    ($kind:ident) => {
        const _: () = {
            use std::io;
            use std::pin::Pin;
            use std::task::{Context, Poll};

            use tokio::io::AsyncWrite;

            impl<S: AsyncWrite + Unpin> AsyncWrite for $kind<S> {
                fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                    Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
                }

                fn poll_write_vectored(
                    self: Pin<&mut Self>,
                    cx: &mut Context<'_>,
                    bufs: &[io::IoSlice<'_>],
                ) -> Poll<io::Result<usize>> {
                    Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
                }

                fn is_write_vectored(&self) -> bool {
                    self.stream.is_write_vectored()
                }

                fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                    Pin::new(&mut self.get_mut().stream).poll_flush(cx)
                }

                fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                    Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
                }
            }
        };
    };
}
pub(super) use writes_to_its_stream;
