//! Races with addresses that answer by a script, in virtual time.

use super::*;
use std::{
    cell::RefCell,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::time::Instant;

/// The behaviour of the address that a race connects to. Times are in milliseconds since its
/// attempt began.
#[derive(Clone, Copy, Debug)]
enum Plays {
    /// The address never answers.
    BlackHole,
    /// The address refuses after this many milliseconds.
    Refuses(u64),
    /// The address accepts after this many milliseconds.
    Accepts(u64),
}
use Plays::{Accepts, BlackHole, Refuses};

/// An attempt or connection that is counted as open until it is dropped. The number is shared by
/// all of a test.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The result of a race.
#[derive(Debug, PartialEq)]
struct Outcome {
    /// The address that was connected to; `None` if all attempts failed.
    winner: Option<IpAddr>,
    took_ms: u128,
    /// The times at which the attempts began, in milliseconds since the race began.
    begun_ms: Vec<u128>,
}

fn address(number: usize) -> IpAddr {
    IpAddr::from([192, 0, 2, u8::try_from(number).unwrap()])
}

async fn run(script: &[Plays]) -> Outcome {
    let addresses: Vec<IpAddr> = (0..script.len()).map(address).collect();
    let (begun, open) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    let attempts = RefCell::new(Vec::new());
    let connect = |ip: IpAddr| {
        attempts.borrow_mut().push(begun.elapsed().as_millis());
        let at = addresses.iter().position(|known| *known == ip).unwrap();
        let (plays, connection) = (script[at], Open::new(&open));
        async move {
            match plays {
                BlackHole => pending().await,
                Refuses(ms) => {
                    sleep(Duration::from_millis(ms)).await;
                    Err(io::ErrorKind::ConnectionRefused.into())
                }
                Accepts(ms) => {
                    sleep(Duration::from_millis(ms)).await;
                    Ok(connection)
                }
            }
        }
    };
    let won = race(&addresses, connect).await;
    assert_eq!(open.load(Ordering::SeqCst), usize::from(won.is_some()), "all others are closed");
    let winner = won.map(|(_, ip)| ip);
    Outcome { winner, took_ms: begun.elapsed().as_millis(), begun_ms: attempts.into_inner() }
}

#[tokio::test(start_paused = true)]
async fn a_black_hole_in_front_costs_the_attempt_delay_and_no_more() {
    for (script, winner, took_ms, begun_ms) in [
        (vec![BlackHole, Accepts(0)], Some(1), 250, vec![0, 250]),
        (vec![BlackHole, BlackHole, Accepts(20)], Some(2), 520, vec![0, 250, 500]),
        // A refusal starts the next at once, and the attempt after that waits for its delay again.
        (vec![Refuses(10), Accepts(5)], Some(1), 15, vec![0, 10]),
        (vec![Refuses(10), BlackHole, Accepts(0)], Some(2), 260, vec![0, 10, 260]),
        (vec![BlackHole, Refuses(30), Accepts(1)], Some(2), 281, vec![0, 250, 280]),
        // One that is slow still wins if it is the first.
        (vec![Accepts(300), BlackHole], Some(0), 300, vec![0, 250]),
        (vec![Accepts(400), Accepts(100)], Some(1), 350, vec![0, 250]),
        // Both at the same moment: the earlier attempt.
        (vec![Accepts(300), Accepts(50)], Some(0), 300, vec![0, 250]),
        (vec![Accepts(200), Accepts(0)], Some(0), 200, vec![0]),
        (vec![Refuses(1), Refuses(600), Refuses(2)], None, 601, vec![0, 1, 251]),
        (vec![Refuses(7)], None, 7, vec![0]),
        (vec![], None, 0, vec![]),
    ] {
        let outcome = run(&script).await;
        assert_eq!(outcome, Outcome { winner: winner.map(address), took_ms, begun_ms }, "{script:?}");
    }
}

#[test]
fn families_take_turns_and_the_first_address_begins() {
    let ordered = |list: &[&str]| -> Vec<String> {
        let list: Vec<IpAddr> = list.iter().map(|ip| ip.parse().unwrap()).collect();
        interleave(&list).iter().map(IpAddr::to_string).collect()
    };
    assert_eq!(
        ordered(&["2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1", "192.0.2.2"]),
        ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "2001:db8::3"]
    );
    assert_eq!(
        ordered(&["192.0.2.1", "192.0.2.2", "2001:db8::1"]),
        ["192.0.2.1", "2001:db8::1", "192.0.2.2"]
    );
    assert_eq!(ordered(&["192.0.2.2", "192.0.2.1", "192.0.2.2"]), ["192.0.2.2", "192.0.2.1"], "each once");
    assert!(ordered(&[]).is_empty());
}
