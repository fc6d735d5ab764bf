//! The pages of a relay, and the one HTTP answer of a connection that asks for one.
//!
//! The pages run no script, load nothing, set no cookie, and are the same for all clients.

use super::peeked_stream::PeekedStream;
use crate::about::{About, INVITE, MAX_PAGE, STYLE};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64;
use deaddrop_primitives::hash::sha256;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;

/// Maximum number of bytes that are buffered for a request for a page: the page itself.
pub(super) const PAGE_BUFFER: usize = MAX_PAGE;

/// The pages of a relay. All answers share the bytes of a page.
#[derive(Debug)]
pub(super) struct Pages {
    about: Bytes,
    json: Bytes,
    invite: Bytes,
    policy: HeaderValue,
}

impl Pages {
    /// Makes the pages of the relay that `about` describes.
    pub(super) fn new(about: &About) -> Self {
        // A page may have this style, and may load and run nothing.
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            BASE64.encode(&sha256(&[STYLE.as_bytes()]))
        );
        let nothing = HeaderValue::from_static("default-src 'none'");
        Self {
            about: about.to_html().into(),
            json: about.to_json().into(),
            invite: INVITE.replace("{style}", STYLE).into(),
            policy: HeaderValue::from_str(&policy).unwrap_or(nothing),
        }
    }

    /// Returns the page at a path; `None` if there is none.
    pub(super) fn at(&self, path: &str) -> Option<Response> {
        match path {
            "/" => Some(self.answer("text/html; charset=utf-8", &self.about)),
            "/i" => Some(self.answer("text/html; charset=utf-8", &self.invite)),
            "/about.json" => Some(self.answer("application/json", &self.json)),
            _ => None,
        }
    }

    fn answer(&self, kind: &'static str, body: &Bytes) -> Response {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
            (header::CONTENT_SECURITY_POLICY, self.policy.clone()),
        ];
        (headers, body.clone()).into_response()
    }
}

/// Answers one request, with the answer for its path, and closes the connection. Without an answer
/// for the path the status is 404, and with a method that changes something 405.
pub(super) async fn serve_one(
    stream: PeekedStream,
    answer: impl Fn(&str) -> Option<Response> + Clone + Send + Sync + 'static,
) {
    let service = Router::new().fallback(async move |method: Method, uri: Uri| match answer(uri.path()) {
        None => StatusCode::NOT_FOUND.into_response(),
        Some(page) if method == Method::GET || method == Method::HEAD => (still(), page).into_response(),
        Some(_) => (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET,HEAD")]).into_response(),
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .max_buf_size(PAGE_BUFFER)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    if served.await.is_err() {
        tracing::debug!("a request for a page failed");
    }
}

/// Returns the headers of every answer.
fn still() -> [(HeaderName, HeaderValue); 3] {
    let set = |name: HeaderName, value: &'static str| (name, HeaderValue::from_static(value));
    [
        set(header::REFERRER_POLICY, "no-referrer"),
        set(header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        set(header::CACHE_CONTROL, "no-store"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use axum::body::to_bytes;

    async fn read(path: &str) -> (String, String) {
        let page = Pages::new(&About::new(&Limits::DEFAULT, false)).at(path).unwrap();
        let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        let body = to_bytes(page.into_body(), 1 << 20).await.unwrap();
        (policy, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn the_pages_have_the_style_that_their_policy_allows_and_nothing_else() {
        for path in ["/", "/i"] {
            let (policy, page) = read(path).await;
            let style = page.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
            let allowed = format!("style-src 'sha256-{}';", BASE64.encode(&sha256(&[style.as_bytes()])));
            assert!(policy.starts_with("default-src 'none'; ") && policy.contains(&allowed), "{policy}");
            for forbidden in
                ["<script", "style=", "src=", "<link", "@import", "url(", "onclick", "onload", "<form"]
            {
                assert!(!page.contains(forbidden), "{path} has {forbidden}: {page}");
            }
            // Without this line a phone shows a page as wide as a desk's screen, in tiny letters.
            assert!(page.contains(r#"<meta name="viewport" content="width=device-width">"#), "{page}");
        }
        assert!(Pages::new(&About::new(&Limits::DEFAULT, false)).at("/health").is_none());
    }
}
