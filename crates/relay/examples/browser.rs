//! Serves a page on which a browser opens links to relays, and plays the client's side of the handshake behind it. `scripts/browser`
//! runs it.
//!
//! `browser [--seconds N] ADDRESS...` prints the URL of the page, and a line for each relay whose link stands. The page carries messages
//! between its WebSockets and this program, which keeps the keys. It fails when a relay answers wrongly, or when the time is over.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use axum::Router;
use axum::body::Bytes;
use axum::http::{StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use clap::Parser;
use deaddrop_link::{ClientHandshake, ClientStep, UnprovenLink};
use deaddrop_wire::item::Hello;
use deaddrop_wire::{ClientToken, Item, Offer, RelayAddress};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Serves a page on which a browser opens links to relays.
#[derive(Debug, Parser)]
struct Arguments {
    /// Addresses of the relays.
    #[arg(required = true)]
    relays: Vec<RelayAddress>,
    /// Seconds within which all links must stand.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// The next message that the client waits for.
enum Awaited {
    /// The news that the WebSocket is open.
    Open,
    /// S1, or a cookie.
    Answer(ClientHandshake),
    /// The relay's first record, which proves the ML-KEM half of its identity.
    FirstRecord(UnprovenLink),
    Nothing,
}

/// A link to a relay whose messages the browser carries.
struct BrowserLink {
    relay: RelayAddress,
    awaited: Mutex<Awaited>,
}

impl BrowserLink {
    /// Takes a message of the relay. Returns the client's next one, or `None` if the link stands.
    fn on_message(&self, message: &[u8]) -> Result<Option<Vec<u8>>, String> {
        let rng = &mut rand::rng();
        let mut awaited = self.awaited.lock().unwrap();
        let step = match std::mem::replace(&mut *awaited, Awaited::Nothing) {
            Awaited::Open => {
                let (state, c1) = ClientHandshake::start(self.relay.fingerprint(), Offer::v1(), rng);
                ClientStep::Again(state, c1)
            }
            Awaited::Answer(state) => {
                state.on_message(message, &hello(), rng).map_err(|error| error.to_string())?
            }
            Awaited::FirstRecord(link) => {
                let (_, received) = link.on_first_record(message).map_err(|error| error.to_string())?;
                return match received.items.first() {
                    Some(Item::Hello(hello)) if hello.relay.is_some() => Ok(None),
                    _ => Err("the relay's first record holds no greeting".to_owned()),
                };
            }
            Awaited::Nothing => return Err("a message that was not awaited".to_owned()),
        };
        let (next, message) = match step {
            ClientStep::Again(state, c1) => (Awaited::Answer(state), c1),
            ClientStep::Finished(finished) => (Awaited::FirstRecord(finished.link), finished.c2),
        };
        *awaited = next;
        Ok(Some(message))
    }
}

fn hello() -> Hello {
    Hello {
        features: 0,
        ping_s: 60,
        window_blobs: 64,
        window_bytes: 1 << 20,
        client: ClientToken::from_bytes([0; 16]),
        relay: None,
    }
}

/// The page. `URLS` stands for a list of URLs.
const PAGE: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Links</title>
<h1>Links</h1>
<script>
const post = (path, body) => fetch(path, { method: 'POST', body });
const open = (url, number) => {
    const socket = new WebSocket(url);
    socket.binaryType = 'arraybuffer';
    let stands = false;
    const pass = async message => {
        const answer = await post(`/message/${number}`, message);
        const next = await answer.arrayBuffer();
        stands = next.byteLength === 0;
        if (stands) socket.close(); else socket.send(next);
    };
    socket.onopen = () => pass(new ArrayBuffer(0));
    socket.onmessage = event => pass(event.data);
    socket.onclose = event => { if (!stands) post(`/closed/${number}`, `${event.code}`); };
};
URLS.forEach(open);
</script>
</html>
"#;

/// The number of a link, and the reason if it failed.
type Ended = (usize, Result<(), String>);

/// Answers a request of the page.
fn answer(links: &[BrowserLink], ended: &mpsc::UnboundedSender<Ended>, uri: &Uri, body: &[u8]) -> Response {
    if uri.path() == "/" {
        let urls: Vec<&str> = links.iter().map(|link| link.relay.url()).collect();
        return Html(PAGE.replace("URLS", &serde_json::to_string(&urls).unwrap())).into_response();
    }
    let mut parts = uri.path().trim_start_matches('/').split('/');
    let what = parts.next();
    let Some(number) = parts.next().and_then(|number| number.parse::<usize>().ok()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Some(link) = links.get(number) else { return StatusCode::NOT_FOUND.into_response() };
    let result = match what {
        Some("message") => link.on_message(body),
        _ => Err(format!("the WebSocket closed with code {}", String::from_utf8_lossy(body))),
    };
    match result {
        Ok(Some(message)) => return message.into_response(),
        Ok(None) => ended.send((number, Ok(()))).unwrap(),
        Err(error) => ended.send((number, Err(error))).unwrap(),
    }
    ().into_response()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let links = arguments
        .relays
        .into_iter()
        .map(|relay| BrowserLink { relay, awaited: Mutex::new(Awaited::Open) })
        .collect::<Arc<[_]>>();
    let (ended, mut ends) = mpsc::unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    println!("page: http://{}/", listener.local_addr().unwrap());
    let of_page = Arc::clone(&links);
    let pages = Router::new()
        .fallback(async move |uri: Uri, body: Bytes| answer(&of_page, &ended, &uri, &body))
        .into_make_service();
    tokio::spawn(axum::serve(listener, pages).into_future());
    let all_end = async {
        for _ in 0..links.len() {
            let (number, result) = ends.recv().await.expect("the page is served");
            let url = links.get(number).map_or("", |link| link.relay.url());
            match result {
                Ok(()) => println!("ok: {url}: S1 is valid, and the relay has proven its identity"),
                Err(error) => {
                    println!("FAILED: {url}: {error}");
                    return ExitCode::FAILURE;
                }
            }
        }
        // The last answer reaches the page before the process ends.
        tokio::time::sleep(Duration::from_millis(200)).await;
        ExitCode::SUCCESS
    };
    tokio::time::timeout(Duration::from_secs(arguments.seconds), all_end).await.unwrap_or_else(|_| {
        println!("FAILED: not all links stand after {} s", arguments.seconds);
        ExitCode::FAILURE
    })
}
