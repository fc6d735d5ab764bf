//! The load: pairs of clients, of which one puts and the other reads and acks. A *cycle* is one
//! blob that is put, stored, delivered, acked and destroyed.

use super::client::{LoadClient, MailboxSecrets};
use super::error::BenchError;
use super::latencies::Latencies;
use super::process::{BenchRelay, ProcessorTime};
use super::traffic::Traffic;
use deaddrop_wire::item::{Ack, AckEntry, AnswerCode, Put};
use deaddrop_wire::{Blob, Item, RelayAddress, SizeClass};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

/// Number of bytes of each blob.
pub const BLOB_BYTES: usize = SizeClass::Small.bytes();
/// Maximum number of blobs of one pair that are put and not destroyed yet: less than the quota of
/// its mailbox (256), so that no put is refused because it is full.
const WINDOW: u32 = 128;
/// The pause after a put that the relay refused as `Busy`.
const PAUSE: Duration = Duration::from_millis(10);
/// The time that a relay gets to finish a load of a fixed length after its end; ten times as much
/// for a fixed number of blobs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The condition that ends a load.
#[derive(Clone, Copy, Debug)]
pub enum LoadEnd {
    /// Each pair has put this number of blobs.
    Blobs(u32),
    /// This time has passed. The blobs that were put before are still read.
    After(Duration),
}

/// A load on a relay: pairs of clients that put and read blobs until it ends.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Number of pairs; each has two links and a mailbox.
    pub pairs: u8,
    /// Maximum number of puts of one pair that wait for their answers at the same time.
    pub unanswered: usize,
    /// The condition that ends the load.
    pub end: LoadEnd,
}

/// The result of a load.
#[derive(Clone, Debug, Default)]
pub struct LoadResult {
    /// Number of cycles: blobs that were put, stored, delivered, acked and destroyed.
    pub cycles: u32,
    /// Number of puts that the relay refused as `Busy`. Others were put in their place.
    pub refused: u32,
    /// Time by the clock from the first put to the last destruction.
    pub elapsed: Duration,
    /// Processor time that the relay took for the load; `None` if this system does not tell it.
    pub processor: Option<ProcessorTime>,
    /// Times from each put that was done to its answer. Refused puts do not count.
    pub answered: Latencies,
    /// Times from each put to the delivery of its blob.
    pub delivered: Latencies,
    /// Numbers of records and bytes that went over the links.
    pub traffic: Traffic,
}

impl LoadResult {
    /// Returns the number of cycles in a second by the clock. Clients and relay share the
    /// processors.
    #[must_use]
    pub fn per_s(&self) -> f64 {
        f64::from(self.cycles) / self.elapsed.as_secs_f64()
    }

    /// Returns the relay's processor time of one cycle in microseconds; `None` if this system does
    /// not tell it.
    #[must_use]
    pub fn cycle_micros(&self) -> Option<ProcessorTime> {
        let each = 1e6 / f64::from(self.cycles.max(1));
        self.processor.map(|time| ProcessorTime { user: time.user * each, kernel: time.kernel * each })
    }

    fn add(&mut self, part: Self) {
        self.cycles += part.cycles;
        self.refused += part.refused;
        self.answered.append(part.answered);
        self.delivered.append(part.delivered);
        self.traffic.add(part.traffic);
    }
}

/// The two clients of a mailbox, and its secrets.
struct Pair {
    putter: LoadClient,
    reader: LoadClient,
    mailbox: MailboxSecrets,
}

impl Pair {
    async fn connect(address: &RelayAddress, number: u8) -> Result<Self, BenchError> {
        let mailbox = MailboxSecrets::generate();
        let mut reader = LoadClient::connect(address, [number.saturating_add(1); 16]).await?;
        reader.open_mailbox(&mailbox).await?;
        let putter = LoadClient::connect(address, [0; 16]).await?;
        Ok(Self { putter, reader, mailbox })
    }
}

impl Load {
    /// Connects the clients, puts the load on the relay, and waits until every blob is destroyed.
    ///
    /// # Errors
    /// Fails with [`BenchError`] when the relay refuses a link or a request, or does not finish.
    pub async fn run(&self, relay: &BenchRelay) -> Result<LoadResult, BenchError> {
        let mut pairs = Vec::new();
        for number in 0..self.pairs {
            pairs.push(Pair::connect(relay.address(), number).await?);
        }
        let before = relay.processor_time();
        let (load, begun) = (*self, Instant::now());
        let mut tasks = JoinSet::new();
        for Pair { putter, reader, mailbox } in pairs {
            let (window, is_over) = (Arc::new(Semaphore::new(WINDOW as usize)), Arc::new(Notify::new()));
            tasks.spawn(read(reader, Arc::clone(&window), Arc::clone(&is_over), begun));
            tasks.spawn(async move {
                let part = put(putter, mailbox, &window, load, begun).await;
                is_over.notify_one();
                part
            });
        }
        let give_up = match self.end {
            LoadEnd::Blobs(_) => 10 * PATIENCE,
            LoadEnd::After(time) => time + PATIENCE,
        };
        let mut result = LoadResult::default();
        let finish = async {
            while let Some(part) = tasks.join_next().await {
                result.add(part.map_err(|_| BenchError::LinkEnded)??);
            }
            Ok::<_, BenchError>(())
        };
        tokio::time::timeout(give_up, finish).await.map_err(|_| BenchError::TooSlow)??;
        result.elapsed = begun.elapsed();
        result.processor = relay.processor_time().zip(before).map(|(now, before)| now.since(before));
        Ok(result)
    }
}

/// Runs the client that puts: puts blobs until the load ends, and waits until all of them are
/// destroyed. `begun` is the time at which the load began. A permit of `window` is one blob that
/// may be put.
async fn put(
    mut client: LoadClient,
    mailbox: MailboxSecrets,
    window: &Semaphore,
    load: Load,
    begun: Instant,
) -> Result<LoadResult, BenchError> {
    let mut part = LoadResult::default();
    let mut unanswered = HashMap::new();
    let mut number = 0_u32;
    let is_over = |put: usize| match load.end {
        LoadEnd::Blobs(blobs) => put >= blobs as usize,
        LoadEnd::After(time) => begun.elapsed() >= time,
    };
    loop {
        let mut items: Vec<Item> = Vec::new();
        while unanswered.len() < load.unanswered
            && !is_over(part.cycles as usize + unanswered.len())
            && let Ok(permit) = window.try_acquire()
        {
            permit.forget();
            number += 1;
            let now = begun.elapsed();
            unanswered.insert(number, now);
            let send = mailbox.send.present(&client.relay);
            items.push(Put { req: number, send, blob: blob(number, now) }.into());
        }
        if !items.is_empty() {
            client.send(&items)?;
        }
        if unanswered.is_empty() {
            if is_over(part.cycles as usize) {
                break;
            }
            // The reader is behind.
            drop(window.acquire().await.map_err(|_| BenchError::LinkEnded)?);
            continue;
        }
        let mut next = Some(client.next().await?);
        while let Some(item) = next {
            if let Item::Answer(answer) = item
                && let Some(at) = unanswered.remove(&answer.req)
            {
                match answer.code {
                    AnswerCode::Done => {
                        part.cycles += 1;
                        part.answered.push(begun.elapsed().saturating_sub(at));
                    }
                    AnswerCode::Busy => {
                        part.refused += 1;
                        window.add_permits(1);
                        tokio::time::sleep(PAUSE).await;
                    }
                    code => return Err(BenchError::Refused(code)),
                }
            }
            next = client.take_received();
        }
    }
    // Every permit has come back when every blob is destroyed.
    drop(window.acquire_many(WINDOW).await.map_err(|_| BenchError::LinkEnded)?);
    part.traffic = client.traffic;
    Ok(part)
}

/// Runs the client that reads: acks every blob, and gives back a permit of `window` for each that
/// is destroyed, until `is_over` is notified. `begun` is the time at which the load began.
async fn read(
    mut client: LoadClient,
    window: Arc<Semaphore>,
    is_over: Arc<Notify>,
    begun: Instant,
) -> Result<LoadResult, BenchError> {
    let mut part = LoadResult::default();
    let (mut last, mut destroyed) = (0, 0);
    loop {
        let before = last;
        let first = tokio::select! {
            item = client.next() => item?,
            () = is_over.notified() => break,
        };
        let mut next = Some(first);
        while let Some(item) = next {
            match item {
                Item::Deliver(deliver) => {
                    last = deliver.tag;
                    part.delivered.push(begun.elapsed().saturating_sub(put_at(&deliver.blob)));
                }
                Item::Acked(acked) => {
                    // Confirmations of two acks may come the other way round; the later one covers both.
                    let upto = acked.acks.iter().map(|ack| ack.upto).fold(destroyed, u32::max);
                    window.add_permits((upto - destroyed) as usize);
                    destroyed = upto;
                }
                _ => {}
            }
            next = client.take_received();
        }
        if last > before {
            client.send(&[Ack { acks: vec![AckEntry { sub: 1, upto: last, also: vec![] }] }.into()])?;
        }
    }
    part.traffic = client.traffic;
    Ok(part)
}

/// Makes a blob that begins with `at`, the time of its put since the beginning of the load, and
/// `number`.
#[expect(clippy::expect_used, reason = "the length is that of a class")]
fn blob(number: u32, at: Duration) -> Blob {
    let nanos = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
    let mut bytes = vec![0x5a; BLOB_BYTES];
    let begin = nanos.to_le_bytes().into_iter().chain(number.to_le_bytes());
    bytes.iter_mut().zip(begin).for_each(|(place, byte)| *place = byte);
    Blob::new(bytes).expect("a blob of the smallest class")
}

/// Returns the time, since the beginning of the load, at which this blob was put.
fn put_at(blob: &Blob) -> Duration {
    let begin = blob.as_bytes().first_chunk().copied().unwrap_or_default();
    Duration::from_nanos(u64::from_le_bytes(begin))
}
