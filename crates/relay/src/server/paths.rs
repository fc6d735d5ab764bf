//! The paths at which a relay answers (spec/12-relay.md section 7).

/// The path of the relay's URL, without its last `/`. A proxy passes this path on or removes it:
/// both are understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BasePath(String);

impl Default for BasePath {
    fn default() -> Self {
        Self::new("/")
    }
}

impl BasePath {
    /// Makes the base from the path of a URL, which begins and ends with `/`.
    pub(super) fn new(path: &str) -> Self {
        Self(path.trim_end_matches('/').to_owned())
    }

    /// Returns `path` without the base if it begins with the base, and else `path` itself. The base
    /// alone becomes `/`.
    pub(super) fn strip<'a>(&self, path: &'a str) -> &'a str {
        match path.strip_prefix(self.0.as_str()) {
            Some("") if !self.0.is_empty() => "/",
            Some(rest) if rest.starts_with('/') => rest,
            // The query of the base itself.
            Some(rest) if rest.starts_with('?') => rest,
            _ => path,
        }
    }
}

/// Returns the path, with its query, of a request's target: the target itself, or the part behind
/// the authority of a target in absolute form (RFC 9112 section 3.2.2).
pub(super) fn path(target: &str) -> &str {
    let is_scheme =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let absolute = target.split_once("://").filter(|(scheme, _)| is_scheme(scheme));
    let Some((_, rest)) = absolute else { return target };
    match rest.find(['/', '?', '#']) {
        // An authority is not empty.
        Some(0) => target,
        Some(at) => rest.get(at..).unwrap_or_default(),
        None if rest.is_empty() => target,
        None => "/",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_removed_and_may_have_been_removed_before() {
        let base = BasePath::new("/chat/relay/");
        for (path, expected) in [
            ("/chat/relay/", "/"),
            ("/chat/relay", "/"),
            ("/chat/relay/v1", "/v1"),
            ("/chat/relay/health?x", "/health?x"),
            ("/chat/relay?x", "?x"),
            ("/", "/"),
            ("/v1", "/v1"),
            ("/chat/relays/v1", "/chat/relays/v1"),
            ("/chat", "/chat"),
        ] {
            assert_eq!(base.strip(path), expected, "{path}");
        }
        for path in ["/", "/v1", "/i", "*", ""] {
            assert_eq!(BasePath::default().strip(path), path);
        }
    }

    #[test]
    fn the_absolute_form_of_a_target_is_as_good_as_its_path() {
        for (target, expected) in [
            ("/", "/"),
            ("/v1", "/v1"),
            ("http://a/", "/"),
            ("HTTPS://a.example:443/v1", "/v1"),
            ("http://a", "/"),
            ("http://a/v1?b", "/v1?b"),
            ("http://a/v1/http://b/", "/v1/http://b/"),
            ("http://a?b", "?b"),
            ("wss://a/v1", "/v1"),
            // No such form.
            ("http:///v1", "http:///v1"),
            ("http://", "http://"),
            ("/http://a/v1", "/http://a/v1"),
            ("a:80", "a:80"),
            ("*", "*"),
        ] {
            assert_eq!(path(target), expected, "{target}");
        }
    }
}
