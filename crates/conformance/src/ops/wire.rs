//! Records of items, blobs, relay addresses.

use crate::{
    json::{BadField, Json, Object},
    outcome::Outcome,
};
use deaddrop_wire::{
    Blob, Item, RelayAddress, Unsupported, decode_items, encode_items,
    item::{AckEntry, Hello},
};

/// Decodes a record's plaintext into items. The output `encoded` is the encoding of these items.
pub(super) fn record(input: &Object) -> Result<Outcome, BadField> {
    let received = match decode_items(&input.bytes("plaintext")?) {
        Ok(received) => received,
        Err(error) => return Ok(Outcome::refused(error)),
    };
    let items = received.items.iter().map(item).collect::<Result<Vec<_>, _>>()?;
    let answers: Vec<Item> = received.unsupported.into_iter().map(Unsupported::answer).collect();
    let answers = answers.iter().map(item).collect::<Result<Vec<_>, _>>()?;
    let encoded = encode_items(&received.items).map_err(|_| BadField("plaintext".to_owned()))?;
    Ok(Outcome::ok(Object::new().with("items", items).with("answers_due", answers).hex("encoded", encoded)))
}

/// Decodes a blob, whose length must be that of a class.
pub(super) fn blob(input: &Object) -> Result<Outcome, BadField> {
    Ok(match Blob::new(input.bytes("bytes")?) {
        Ok(blob) => Outcome::ok(Object::new().with("class", blob.class().code())),
        Err(error) => Outcome::refused(error),
    })
}

/// Parses a relay address from text, and shows its parts.
pub(super) fn relay_address(input: &Object) -> Result<Outcome, BadField> {
    Ok(match input.text("text")?.parse::<RelayAddress>() {
        Err(error) => Outcome::refused(error),
        Ok(address) => Outcome::ok(
            Object::new()
                .with("url", address.url())
                .with("tls", address.is_tls())
                .with("host", address.host())
                .with("port", address.port())
                .with("path", address.path())
                .hex("fingerprint", address.fingerprint().as_bytes()),
        ),
    })
}

/// Returns an item as named fields, in the order of the spec's table.
///
/// # Errors
/// Fails with [`BadField`] for an item that this runner does not know.
pub fn item(item: &Item) -> Result<Object, BadField> {
    let named = |name: &str| Object::new().with("type", item.kind()).with("item", name);
    Ok(match item {
        Item::Hello(body) => hello(named("hello"), body),
        Item::Create(body) => {
            let sends = body
                .sends
                .iter()
                .map(|grant| Object::new().hex("send_id", grant.send.as_bytes()).with("via", grant.via));
            named("create")
                .with("req", body.req)
                .hex("own_id", body.own.as_bytes())
                .hex("mailbox_id", body.read.as_bytes())
                .with("sends", sends.collect::<Vec<_>>())
                .with("lease", body.lease.code())
                .with("quota", body.quota.code())
                .with("flags", body.flags.0)
                .hex("token", &body.token)
        }
        Item::Grant(body) => named("grant")
            .with("req", body.req)
            .hex("own", body.own.expose())
            .hex("send_id", body.send.as_bytes())
            .with("via", body.via),
        Item::Revoke(body) => named("revoke")
            .with("req", body.req)
            .hex("own", body.own.expose())
            .hex("send_id", body.send.as_bytes()),
        Item::Renew(body) => named("renew").with("req", body.req).hex("own", body.own.expose()),
        Item::Delete(body) => named("delete").with("req", body.req).hex("own", body.own.expose()),
        Item::Rekey(body) => named("rekey")
            .with("req", body.req)
            .hex("own", body.own.expose())
            .hex("mailbox_id", body.read.as_bytes()),
        Item::Put(body) => {
            blob_fields(named("put").with("req", body.req).hex("send", body.send.expose()), &body.blob)
        }
        Item::Subscribe(body) => {
            let mailboxes = body
                .mailboxes
                .iter()
                .map(|mailbox| Object::new().with("sub", mailbox.sub).hex("read", mailbox.read.expose()));
            named("subscribe").with("req", body.req).with("mailboxes", mailboxes.collect::<Vec<_>>())
        }
        Item::Unsubscribe(body) => {
            named("unsubscribe").with("req", body.req).with("subs", numbers(&body.subs))
        }
        Item::Subscribed(body) => named("subscribed")
            .with("req", body.req)
            .with("refused", numbers(&body.refused))
            .with("contended", numbers(&body.contended)),
        Item::Deliver(body) => blob_fields(
            named("deliver").with("sub", body.sub).with("tag", body.tag).with("via", body.via),
            &body.blob,
        ),
        Item::Ack(body) => named("ack").with("acks", acks(&body.acks)),
        Item::Acked(body) => named("acked").with("acks", acks(&body.acks)),
        Item::CaughtUp(body) => named("caught-up").with("req", body.req),
        Item::Displaced(body) => named("displaced").with("sub", body.sub),
        Item::Gone(body) => named("gone").with("sub", body.sub),
        Item::Ping(body) => named("ping").with("nonce", body.nonce),
        Item::Pong(body) => named("pong").with("nonce", body.nonce),
        Item::GoAway(body) => named("go-away").with("within_s", body.within_s),
        Item::Window(body) => named("window").with("blobs", body.blobs).with("bytes", body.bytes),
        Item::Moved(body) => named("moved").with("url", body.url.as_str()),
        Item::About(body) => named("about").with("req", body.req),
        Item::AboutText(body) => named("about-text").with("req", body.req).with("json", &*body.json),
        Item::Error(body) => named("error").with("code", body.code.code()).with("kind", body.kind),
        Item::Answer(body) => {
            named("answer").with("req", body.req).with("code", body.code.code()).with("retry_s", body.retry_s)
        }
        _ => return Err(BadField("item".to_owned())),
    })
}

fn hello(object: Object, body: &Hello) -> Object {
    let object = object
        .with("features", body.features)
        .with("ping_s", body.ping_s)
        .with("window_blobs", body.window_blobs)
        .with("window_bytes", body.window_bytes)
        .hex("client", body.client.as_bytes());
    match &body.relay {
        None => object,
        Some(relay) => object.with(
            "relay",
            Object::new()
                .with("day", relay.day.number())
                .with("max_subscriptions", relay.max_subscriptions)
                .with("max_in_flight", relay.max_in_flight)
                .with("puts_per_s", relay.puts_per_s)
                .with("put_burst", relay.put_burst)
                .with("blob_days", relay.blob_days)
                .with("large_blob_days", relay.large_blob_days)
                .with("token_needed", relay.token_needed),
        ),
    }
}

fn blob_fields(object: Object, blob: &Blob) -> Object {
    object.with("class", blob.class().code()).hex("blob", blob.as_bytes())
}

fn numbers(list: &[u32]) -> Vec<Json> {
    list.iter().map(|number| Json::from(*number)).collect()
}

fn acks(list: &[AckEntry]) -> Vec<Object> {
    let entry = |ack: &AckEntry| {
        Object::new().with("sub", ack.sub).with("upto", ack.upto).with("also", numbers(&ack.also))
    };
    list.iter().map(entry).collect()
}
