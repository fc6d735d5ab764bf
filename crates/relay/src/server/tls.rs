//! TLS of a relay: the certificate files, and their renewal while the relay serves (spec/10-link.md
//! section 10).

use deaddrop_tls::{LoadError, Reload, Reloader, TlsError, rustls::ServerConfig};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::Notify;

/// Interval at which [`renew`] checks the certificate files for changes.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// The TLS configuration of a running relay, and the means to renew its certificate.
pub(super) struct Tls {
    pub(super) config: Arc<ServerConfig>,
    reloader: Arc<Mutex<Reloader>>,
    /// The signal that the operator wants the files to be read now.
    pub(super) wanted: Notify,
}

impl Tls {
    pub(super) fn new(reloader: Reloader) -> Result<Self, TlsError> {
        let config = deaddrop_tls::server_config(reloader.resolver())?;
        Ok(Self { config, reloader: Arc::new(Mutex::new(reloader)), wanted: Notify::new() })
    }

    /// Reads the certificate files again if they have changed. Returns `None` if reading panicked.
    /// The files may lie on a slow disk, so they are read on a thread for blocking work.
    async fn check(&self) -> Option<Result<Reload, LoadError>> {
        let reloader = Arc::clone(&self.reloader);
        let check = move || reloader.lock().unwrap_or_else(PoisonError::into_inner).check(SystemTime::now());
        tokio::task::spawn_blocking(check).await.ok()
    }
}

/// Checks the certificate files every [`LOOK_EVERY`] and when the operator asks for it. Logs a new
/// certificate and a failure, and on the operator's request also that nothing has changed. Never
/// returns, even without TLS.
pub(super) async fn renew(tls: Option<&Tls>) {
    let Some(tls) = tls else { return std::future::pending().await };
    loop {
        let is_asked = tokio::time::timeout(LOOK_EVERY, tls.wanted.notified()).await.is_ok();
        match tls.check().await {
            Some(Ok(Reload::Replaced(warning))) => {
                tracing::warn!("the TLS certificate was read again");
                if let Some(warning) = warning {
                    tracing::warn!("the TLS certificate: {warning}");
                }
            }
            Some(Ok(Reload::Unchanged)) if is_asked => {
                tracing::warn!("the TLS certificate has not changed");
            }
            Some(Ok(Reload::Unchanged)) | None => {}
            Some(Err(error)) => tracing::warn!("the former TLS certificate stays in use: {error}"),
        }
    }
}
