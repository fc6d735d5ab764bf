//! Signals as orders. None of them ends the relay without a goodbye.

use super::terminal::Failure;
use crate::server::Order;
use std::io;
use tokio::runtime::Runtime;

/// The operator's signals. They are caught from `listen` on, before the relay says that it is
/// ready, so that no later signal kills the relay.
#[cfg(unix)]
pub(super) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
    report: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            report: signal(SignalKind::user_defined1())?,
        })
    }

    /// Waits for an order to stop. Other orders are kept for [`next`](Self::next). The future may be
    /// dropped before it resolves.
    pub(super) async fn stopped(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Waits for the next order. The future may be dropped before it resolves.
    pub(super) async fn next(&mut self) -> Order {
        tokio::select! {
            _ = self.terminate.recv() => Order::Stop,
            _ = self.interrupt.recv() => Order::Stop,
            _ = self.hang_up.recv() => Order::Reload,
            _ = self.report.recv() => Order::Report,
        }
    }
}

/// The operator's signals. This system has only the interrupt (Ctrl-C).
#[cfg(not(unix))]
pub(super) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits for an order to stop. The future may be dropped before it resolves.
    pub(super) async fn stopped(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }

    /// Waits for the next order. The future may be dropped before it resolves.
    pub(super) async fn next(&mut self) -> Order {
        let _ = tokio::signal::ctrl_c().await;
        Order::Stop
    }
}

impl Signals {
    /// Starts a runtime whose signals are caught from now on. Fails if the system gives no threads
    /// or no signals.
    pub(super) fn with_runtime() -> Result<(Runtime, Self), Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|_| Failure::Say("the system gives no threads; raise its limits".to_owned()))?;
        let signals = runtime
            .block_on(async { Self::listen() })
            .map_err(|_| Failure::Say("the system gives no signals; raise its limits".to_owned()))?;
        Ok((runtime, signals))
    }

    /// Waits for any signal but the one that asks for a report.
    pub(super) async fn interrupted(&mut self) {
        while matches!(self.next().await, Order::Report) {}
    }
}
