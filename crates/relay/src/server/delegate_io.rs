//! Reading and writing of an enum whose variants are streams.

/// Implements `AsyncRead` and `AsyncWrite` for an enum of which each variant holds one stream:
/// every call is passed on to this stream.
macro_rules! delegate_io {
    ($name:ident { $($(#[$meta:meta])* $variant:ident),* }) => {
        impl tokio::io::AsyncRead for $name {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
                buffer: &mut tokio::io::ReadBuf<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                match self.get_mut() {
                    $($(#[$meta])* Self::$variant(stream) => std::pin::Pin::new(stream).poll_read(context, buffer),)*
                }
            }
        }

        impl tokio::io::AsyncWrite for $name {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
                buffer: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                match self.get_mut() {
                    $($(#[$meta])* Self::$variant(stream) => std::pin::Pin::new(stream).poll_write(context, buffer),)*
                }
            }

            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
                buffer: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                match self.get_mut() {
                    $($(#[$meta])* Self::$variant(stream) => std::pin::Pin::new(stream).poll_write_vectored(context, buffer),)*
                }
            }

            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                match self.get_mut() {
                    $($(#[$meta])* Self::$variant(stream) => std::pin::Pin::new(stream).poll_flush(context),)*
                }
            }

            fn poll_shutdown(
                self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                match self.get_mut() {
                    $($(#[$meta])* Self::$variant(stream) => std::pin::Pin::new(stream).poll_shutdown(context),)*
                }
            }

            fn is_write_vectored(&self) -> bool {
                match self {
                    $($(#[$meta])* Self::$variant(stream) => stream.is_write_vectored(),)*
                }
            }
        }
    };
}

pub(super) use delegate_io;
