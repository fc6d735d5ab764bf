//! The fixed parts of an answer: data that is not there, data of a running process, other places.

use serde::Serialize;

/// One statement of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Short name of the subject, the same in all versions.
    pub subject: &'static str,
    /// The statement.
    pub text: &'static str,
}

const fn note(subject: &'static str, text: &'static str) -> Note {
    Note { subject, text }
}

/// Data that a relay's directory does not hold, and the reason for it.
pub const ABSENT: &[Note] = &[
    note(
        "identity",
        "Names, accounts, telephone numbers, keys of people: the relay has no accounts, and a client shows a right to a mailbox, not \
         an identity.",
    ),
    note(
        "sender",
        "The sender of a message: a blob has the number of the door through which it came. The owner of the mailbox chose this number; \
         the relay was not told who has which door.",
    ),
    note(
        "recipient",
        "The recipient of a message: the store has a keyed hash of the right to read, which a client draws at random for each mailbox.",
    ),
    note(
        "contacts",
        "Contact lists and conversations: two mailboxes of one person, or of two people who write to each other, have no mark in \
         common in the store. Records that were written together have numbers near each other, which on a quiet relay can suggest \
         that two mailboxes were made together.",
    ),
    note(
        "content",
        "Texts and files in readable form: a blob is sealed for keys that only the clients of its users have, and padded to one of \
         three sizes. This program holds no code that could open one.",
    ),
    note("address", "Network addresses: they are never written to the disk."),
    note(
        "time",
        "Times of day: the store keeps days. The order of the blobs is there, and the file system keeps the time of the last write to \
         the file as a whole.",
    ),
    note(
        "delivered",
        "Messages that were delivered and acknowledged, that expired or were deleted: their keys were overwritten on the disk before the \
         answer. No count, day or mark of a single one is left. Sealed bytes without a key (dead_bytes) are zeroed within minutes.",
    ),
    note(
        "removed_mailboxes",
        "Mailboxes that were deleted or have expired: a mailbox that is not found may have been one, or may never have existed. The \
         store does not tell these cases apart.",
    ),
    note(
        "volatile",
        "Blobs of mailboxes that are volatile, and all mailboxes of a relay that was served with --volatile: they were in the memory of \
         the process, which has ended.",
    ),
    note(
        "log",
        "A log of activity: the program writes counts and reasons (too many connections, a full disk) to standard error, without \
         addresses, ids, mailboxes and times, at every level. Look for these lines where the system keeps its logs, which adds times.",
    ),
];

/// Data that the process of a running relay holds in memory, besides the store.
pub const WHILE_RUNNING: &[Note] = &[
    note(
        "addresses",
        "The network address of a client while its connection is being made, and its network (a prefix) as long as the connection \
         lasts and its limits count. Behind an anonymising network or a proxy that is not named, this is the address of that.",
    ),
    note(
        "links",
        "Of each link: the mailboxes that it reads, and at the moment of a put or a change the mailbox that it concerns.",
    ),
    note(
        "client_tokens",
        "A random token of each reading client, the same from its start to its end, so that a broken connection can be replaced.",
    ),
    note(
        "activity",
        "Of each active mailbox: its connected reader, recent rates, blobs in flight, pauses after it was full. A sweep frees them soon \
         after the activity ends.",
    ),
    note(
        "statistics",
        "Tables of bits for the statistics of the day. They begin as random bits, and say little about a single mailbox.",
    ),
    note(
        "display",
        "None of this is written, and no command shows it. A changed program, a debugger with the rights of the administrator, or an \
         observer of the network can see it from then on; of the past they see nothing.",
    ),
];

/// Places outside of the relay's directory at which traces of its users may be.
pub const ELSEWHERE: &[Note] = &[
    note(
        "proxy",
        "Logs of a proxy in front of the relay: addresses and times of connections, unless its logging is off.",
    ),
    note(
        "system",
        "Logs of the system, its firewall and its supervisor: start and stop of the relay with times, and connections if the firewall logs them.",
    ),
    note(
        "provider",
        "The provider of the host and of the network: flow records, images and snapshots of the machine's disk and memory.",
    ),
    note(
        "copies",
        "Snapshots and backups of the file system, swap and hibernation: an old copy of store and key holds what was there then. \
         Solid-state disks can keep overwritten sectors where no program can read them.",
    ),
    note("clients", "The devices of the users, which keep what their users keep."),
];
