//! The configuration that `init` writes: every setting as a comment, with its default or an example.

/// Text of the configuration of a new relay. It sets nothing.
pub(crate) const NEW_CONFIG: &str = r#"# Configuration of a deaddrop relay. No line is needed. Remove the `# ` before a setting to change it,
# then run `deaddrop-relay check` and start the relay again.

# Address to listen on. This is the default, for clients of this machine and for a proxy.
# listen = "127.0.0.1:7700"

# URL for clients. Needed if it differs from the address above, as it does behind a proxy.
# url = "wss://relay.example/"

# Token that a client must show to create mailboxes. Without it every client may create them.
# create_token = "..."

# Certificate and key (PEM). Without them the relay speaks no TLS, and a proxy in front of it should.
# tls_cert = "/etc/letsencrypt/live/relay.example/fullchain.pem"
# tls_key = "/etc/letsencrypt/live/relay.example/privkey.pem"

# Unix socket to listen on, for a proxy on this machine.
# unix = "/run/deaddrop/relay.sock"

# Proxies in front of the relay. The client addresses that they report are believed.
# proxies = ["127.0.0.1", "unix"]

# Whether these proxies begin each connection with a header of the PROXY protocol.
# proxy_protocol = false

# Whether the system's clock is believed at once, however far it is ahead of the stored day.
# trust_clock = false

# Places of the keys: file:PATH, credential:NAME or env:NAME. The default is a file beside the store.
# store_key = "file:store.key"
# identity_key = "file:identity.key"

# Address of loopback, or unix:PATH, at which the relay shows its metrics. Without it the relay shows none.
# metrics = "127.0.0.1:9464"

# Your contact, for the relay's page.
# contact = "mailto:operator@relay.example"

# Limits alone stand below this line. Chapter 12 section 8 of the specification lists all of them.
# Each of these has its default.
[limits]
# connections = 5_000
# mailboxes = 500_000
# blobs = 1_000_000
# store_bytes = 8_589_934_592
# memory_bytes = 268_435_456
# blob_days = 30
# large_blob_days = 7
# unused_days = 1
# dead_bytes_s = 300
"#;

#[cfg(test)]
mod tests {
    use super::super::{DEFAULT_LISTEN, IDENTITY_KEY, KeySource, RelayConfig, STORE_KEY};
    use super::*;
    use crate::limits::Limits;

    /// Returns the template with each line set that assigns a value.
    fn all_set() -> String {
        let set = |line: &str| match line.strip_prefix("# ") {
            Some(rest) if rest.split(' ').nth(1) == Some("=") => rest.to_owned(),
            _ => line.to_owned(),
        };
        NEW_CONFIG.lines().map(set).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_template_sets_nothing() {
        assert_eq!(toml::from_str::<RelayConfig>(NEW_CONFIG).unwrap(), RelayConfig::default());
    }

    #[test]
    fn the_template_shows_the_defaults() {
        let text = all_set();
        let shown: RelayConfig = toml::from_str(&text).unwrap();
        let default = RelayConfig::default();
        assert_eq!(shown.limits, Limits::DEFAULT);
        assert_eq!(shown.listen.as_deref(), Some(DEFAULT_LISTEN));
        assert_eq!((shown.proxy_protocol, shown.trust_clock), (default.proxy_protocol, default.trust_clock));
        assert_eq!(shown.store_key, Some(KeySource::File(STORE_KEY.into())));
        assert_eq!(shown.identity_key, Some(KeySource::File(IDENTITY_KEY.into())));
        let (_, limits) = text.split_once("[limits]").unwrap();
        assert_eq!(limits.lines().filter(|line| line.contains('=')).count(), LIMITS);
    }

    #[test]
    fn the_template_shows_each_setting() {
        let table: toml::Table = all_set().parse().unwrap();
        let mut shown: Vec<&str> = table.keys().map(String::as_str).collect();
        let mut known = super::super::config_fault::SETTINGS.to_vec();
        shown.sort_unstable();
        known.sort_unstable();
        assert_eq!(shown, known);
    }

    /// Number of limits that the template shows.
    const LIMITS: usize = 9;
}
