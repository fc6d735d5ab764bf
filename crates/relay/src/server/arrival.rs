//! The beginning of a connection: what a proxy says in front of it, the head of a request, and the network that it counts
//! for from then on.

use super::peeked_stream::{self, PeekedStream, read_proxy_header};
use super::relay::Relay;
use super::stream::Stream;
use crate::admission::Connected;
use crate::proxy::Named;

/// The answer to a connection that gets no place.
const NO_PLACE: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 30\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Reads the head of a request, and counts the connection for the network that it comes from as soon as that is known.
/// `None`: nothing came that is understood, or the network has no room, as the peer is told then.
pub(super) async fn read_head<S>(
    relay: &Relay<S>,
    mut stream: Stream,
    from_proxy: bool,
    connected: &mut Connected,
) -> Option<PeekedStream> {
    let limits = &relay.shared.limits;
    let (mut named, mut begun) = (Named::Nothing, Vec::new());
    if from_proxy && relay.proxies.speak_proxy_protocol {
        (named, begun) = read_proxy_header(&mut stream).await?;
        // A silent connection counts for the network of its own already.
        if let Named::Address(address) = named
            && !relay.proxies.contains(address)
            && !connected.came_from(relay.admission.prefix(address), limits)
        {
            return no_room(&stream);
        }
    }
    let stream = PeekedStream::read_head(stream, begun).await?;
    connected.came_on(limits);
    // what is said about an address counts if a configured proxy says it.
    let client = from_proxy.then(|| relay.proxies.client(named, stream.head())).flatten();
    match client {
        Some(client) if !connected.came_from(relay.admission.prefix(client), limits) => {
            no_room(&stream.into_parts().0)
        }
        _ => Some(stream),
    }
}

/// The network that a proxy has named holds as many connections as it may, and none of them can be spared.
fn no_room(stream: &Stream) -> Option<PeekedStream> {
    tracing::debug!("a connection was refused: its network has too many");
    refuse(stream);
    None
}

/// Tells a newcomer that it gets no place. Never waits: the socket takes the answer at once or not at all.
pub(super) fn refuse(stream: &Stream) {
    // What has come and is not read would turn the end into a reset, and the peer's system might drop the answer for it.
    let _ = stream.try_read(&mut [0; peeked_stream::MAX_HEAD]);
    let _ = stream.try_write(NO_PLACE);
}
