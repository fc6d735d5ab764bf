//! The blind relay of deaddrop: mailboxes that forget.
//!
//! A sender puts a blob under one right, and a reader takes it under another. When the reader has confirmed a blob, the relay
//! destroys the key under which the blob was sealed on the disk. The relay knows no person, no pair of people and no content: it
//! does not link the crate that could open an envelope.
//!
//! The program `deaddrop-relay` is [`cli::run`]. As a library, a relay has these parts:
//!
//! | module | holds |
//! |---|---|
//! | [`server`] | sockets, TLS, one task for each connection |
//! | [`session`] | the rules of one link, as a value without I/O |
//! | [`store`], [`kept`] | the port of the store, and the store over memory or `deaddrop-shred` |
//! | [`data_dir`] | the operator's directory: configuration, keys, store |
//! | [`inspect`] | everything that an operator can know |
//! | [`moving`] | the move of a relay to another host |
//! | [`mod@disclose`] | the answer to a lawful request |
//! | [`statistics`] | counts of used mailboxes by day, with noise |
//! | [`selftest`] | the proof, on the own disk, that what was confirmed is gone |
//! | [`scratch`] | the folder of a test or a measurement, removed after it |
//! | [`mod@bench`] | the measurement behind `deaddrop-relay bench` |
//!
//! A relay in memory, in a process of your own:
//!
//! ```
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use deaddrop_link::{RelayIdentity, RelaySeed};
//! use deaddrop_relay::server::{Order, Server};
//! use deaddrop_relay::{Limits, clock::Clock, kept::KeptStore, proxy::Proxies, session::SessionContext};
//!
//! let rng = &mut rand::rng();
//! let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let store = KeptStore::in_memory(Limits::DEFAULT, rng);
//! let context = SessionContext::new(Limits::DEFAULT, None);
//! let clock = Clock::start(None, false)?;
//! // Keep the seed: clients know the relay by its identity.
//! let identity = RelayIdentity::from_seed(&RelaySeed::generate(rng));
//! let relay = Server::new(socket, store, identity, context, clock, Proxies::default(), rng);
//! println!("ws://{}/#{}", relay.address()?, relay.fingerprint());
//!
//! let (stop, orders) = tokio::sync::mpsc::channel(1);
//! let running = tokio::spawn(relay.run(orders));
//! stop.send(Order::Stop).await?;
//! running.await?;
//! # Ok(()) }
//! # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
//! ```
//!
//! Chapter 12 of the specification (`spec/12-relay.md` in the source tree) has the rules, with the number of each check.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod about;
mod admission;
pub mod bench;
mod bucket;
pub mod cli;
pub mod clock;
pub mod data_dir;
pub mod day_change;
pub mod disclose;
pub mod hints;
mod index_record;
pub mod inspect;
pub mod kept;
mod labels;
pub mod limits;
mod logging;
mod mailboxes;
mod memory;
mod metrics;
pub mod moving;
mod names;
mod notices;
pub mod proxy;
mod random;
pub mod scratch;
pub mod selftest;
pub mod server;
pub mod session;
pub mod statistics;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;

pub use admission::Prefix;
pub use limits::Limits;
pub use names::StoreKey;
