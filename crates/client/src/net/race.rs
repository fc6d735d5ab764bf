//! Connecting to a host with several addresses: "happy eyeballs" (RFC 8305 sections 4 and 5).
//!
//! Only the opening of a connection is raced. The first connection that opens is used. All others are closed before anything is
//! sent over them.

use std::{future::poll_fn, io, net::IpAddr, pin::Pin, task::Poll, time::Duration};
use tokio::time::sleep;

/// Time for which one attempt is alone before the next address is tried as well: the value that RFC
/// 8305 section 8 recommends.
pub(super) const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Orders addresses for a race, each once: IPv4 and IPv6 alternate, the family of the first address
/// begins. Within a family the order stays.
pub(super) fn interleave(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let mut once: Vec<IpAddr> = Vec::with_capacity(addresses.len());
    for ip in addresses {
        if !once.contains(ip) {
            once.push(*ip);
        }
    }
    let first_is_ipv4 = once.first().is_some_and(IpAddr::is_ipv4);
    let (first, second): (Vec<IpAddr>, Vec<IpAddr>) =
        once.into_iter().partition(|ip| ip.is_ipv4() == first_is_ipv4);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut ordered = Vec::with_capacity(addresses.len());
    loop {
        let turn = [first.next(), second.next()];
        if turn == [None, None] {
            return ordered;
        }
        ordered.extend(turn.into_iter().flatten());
    }
}

/// Connects to the addresses in their order: the next attempt begins after [`ATTEMPT_DELAY`], or as soon as one has failed.
/// Returns the first connection that opens and its address, or `None` when all attempts have failed. Dropping an attempt must
/// close its connection. The caller bounds the time.
pub(super) async fn race<T, F>(addresses: &[IpAddr], connect: impl Fn(IpAddr) -> F) -> Option<(T, IpAddr)>
where
    F: Future<Output = io::Result<T>>,
{
    let mut rest = addresses.iter();
    let mut attempts = Vec::with_capacity(addresses.len());
    loop {
        if let Some(ip) = rest.next() {
            attempts.push((*ip, Box::pin(connect(*ip))));
        } else if attempts.is_empty() {
            return None;
        }
        tokio::select! {
            biased;
            (ip, result) = first_done(&mut attempts) => {
                if let Ok(connection) = result {
                    return Some((connection, ip));
                }
            }
            () = sleep(ATTEMPT_DELAY), if rest.len() > 0 => {}
        }
    }
}

/// Waits for the first future that ends. Takes it out of the list and returns its key and output.
/// With an empty list the wait never ends.
pub(super) async fn first_done<K: Copy, F: Future>(futures: &mut Vec<(K, Pin<Box<F>>)>) -> (K, F::Output) {
    poll_fn(|context| {
        for at in 0..futures.len() {
            let Some((key, future)) = futures.get_mut(at) else { break };
            let key = *key;
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                drop(futures.remove(at));
                return Poll::Ready((key, output));
            }
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests;
