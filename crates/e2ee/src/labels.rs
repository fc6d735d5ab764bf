//! All labels of the crate (spec/labels.md).

macro_rules! labels {
    ($($(#[$meta:meta])* $name:ident = $bytes:literal;)*) => {
        $($(#[$meta])* pub(crate) const $name: &[u8] = $bytes;)*
    };
}

labels! {
    /// Identity keys and the hash of an identity.
    IDENTITY = b"deaddrop/1 identity\0";
    IDENTITY_ED25519 = b"deaddrop/1 identity ed25519\0";
    IDENTITY_X25519 = b"deaddrop/1 identity x25519\0";
    IDENTITY_ML_KEM_768 = b"deaddrop/1 identity ml-kem-768\0";
    /// The message that the signature of a bundle covers.
    BUNDLE = b"deaddrop/1 bundle\0";
    /// The hash of a bundle, the secret in the link.
    BUNDLE_HASH = b"deaddrop/1 bundle hash\0";
    /// The keys from that hash, and the associated data of the sealed bundle.
    INVITE = b"deaddrop/1 invite\0";
    INVITE_READ = b"deaddrop/1 invite read\0";
    INVITE_BUNDLE = b"deaddrop/1 invite bundle\0";
    INVITE_INITIAL = b"deaddrop/1 invite initial\0";
    INVITE_PSK = b"deaddrop/1 invite psk\0";
    /// The nonce of a sealed bundle.
    INVITE_NONCE = b"deaddrop/1 invite nonce\0";
    /// The keys from the hash of a reset bundle.
    RESET = b"deaddrop/1 reset\0";
    RESET_INITIAL = b"deaddrop/1 reset initial\0";
    RESET_PSK = b"deaddrop/1 reset psk\0";
    RESET_HARD = b"deaddrop/1 reset hard\0";
    HANDSHAKE_1 = b"deaddrop/1 handshake 1\0";
    HANDSHAKE_2 = b"deaddrop/1 handshake 2\0";
    HANDSHAKE_IDENTITY = b"deaddrop/1 handshake identity\0";
    HANDSHAKE_CHAIN = b"deaddrop/1 handshake chain\0";
    HANDSHAKE_SESSION = b"deaddrop/1 handshake session\0";
    /// The outer box of an InitialMessage.
    INITIAL = b"deaddrop/1 initial\0";
    SESSION_ROOT = b"deaddrop/1 session root\0";
    SESSION_CHAIN = b"deaddrop/1 session chain\0";
    SESSION_HEADER_0 = b"deaddrop/1 session header 0\0";
    SESSION_HEADER_1 = b"deaddrop/1 session header 1\0";
    SESSION_HEADER_2 = b"deaddrop/1 session header 2\0";
    SESSION_RESET = b"deaddrop/1 session reset\0";
    SESSION_ID = b"deaddrop/1 session id\0";
    MESSAGE = b"deaddrop/1 message\0";
    CHAIN = b"deaddrop/1 chain\0";
    HEADER = b"deaddrop/1 header\0";
    BODY = b"deaddrop/1 body\0";
    /// The nonces of a message: r of its header box, and of the outer box of an InitialMessage.
    NONCE = b"deaddrop/1 nonce\0";
    /// The key of the universal hash of the content in these nonces.
    NONCE_HASH = b"deaddrop/1 nonce hash\0";
    /// The digest of a stream.
    STREAM = b"deaddrop/1 stream\0";
    TURN = b"deaddrop/1 turn\0";
    TURN_ROOT = b"deaddrop/1 turn root\0";
    TURN_CHAIN = b"deaddrop/1 turn chain\0";
    TURN_HEADER = b"deaddrop/1 turn header\0";
    TURN_RESET = b"deaddrop/1 turn reset\0";
    /// The associated data of a segment of an attachment.
    ATTACHMENT = b"deaddrop/1 attachment\0";
    /// The hash of one segment's bytes.
    ATTACHMENT_SEGMENT = b"deaddrop/1 attachment segment\0";
    /// The hash over the hashes of all segments.
    ATTACHMENT_HASH = b"deaddrop/1 attachment hash\0";
    /// The nonce of a segment.
    ATTACHMENT_NONCE = b"deaddrop/1 attachment nonce\0";
    SAFETY_NUMBER = b"deaddrop/1 safety number\0";
}
