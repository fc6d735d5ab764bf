//! The size classes that a full mailbox has closed for a *pause* (spec/12-relay.md section 4.3,
//! puts of them are refused. The relay draws the end of a pause at random, so the model
//! keeps every state that the answers so far allow.

use deaddrop_wire::SizeClass;

/// The states in which the pause of one mailbox may be, given the answers so far; empty before the
/// first, when it is open.
#[derive(Clone, Debug)]
pub struct Pause(Vec<State>);

/// One possible state of a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Puts of the class `from` and of larger ones are refused. The pause ends between
    /// `earliest_ms` and `latest_ms`, both included.
    Closed {
        from: SizeClass,
        earliest_ms: u64,
        latest_ms: u64,
    },
}

/// The room of a mailbox at the moment of a put.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Number of blobs for which there is room; `bytes` is the number of free bytes.
    pub blobs: usize,
    pub bytes: usize,
    /// Whether at least half of both quotas, rounded down, is free.
    pub is_half: bool,
}

impl Room {
    fn has(self, class: SizeClass) -> bool {
        self.blobs > 0 && self.bytes >= class.bytes()
    }
}

impl Pause {
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Notes a put that the relay stored (`was_taken`) or refused as Full. Fails if no possible
    /// state explains the answer.
    pub fn note_put(
        &mut self,
        class: SizeClass,
        room: Room,
        was_taken: bool,
        now_ms: u64,
        pause_ms: u64,
    ) -> Result<(), String> {
        let before = if self.0.is_empty() { vec![State::Open] } else { std::mem::take(&mut self.0) };
        for state in &before {
            for (state, is_taken) in successors(*state, class, room, now_ms, pause_ms) {
                if is_taken == was_taken && !self.0.contains(&state) {
                    self.0.push(state);
                }
            }
        }
        if self.0.is_empty() {
            return Err(format!(
                "taken: {was_taken}, class {class:?}, {room:?}, at {now_ms}, from {before:?}"
            ));
        }
        Ok(())
    }
}

/// Returns the states that may follow `state` at a put of `class`, each with whether the put is
/// stored.
fn successors(state: State, class: SizeClass, room: Room, now_ms: u64, pause_ms: u64) -> Vec<(State, bool)> {
    let close = |earliest_ms: u64, latest_ms: u64| {
        let from = SizeClass::ALL.into_iter().find(|class| !room.has(*class)).unwrap();
        (State::Closed { from, earliest_ms, latest_ms }, false)
    };
    let open = || {
        if room.has(class) { (State::Open, true) } else { close(now_ms, now_ms + pause_ms) }
    };
    let State::Closed { from, earliest_ms, latest_ms } = state else { return vec![open()] };
    let mut all = Vec::new();
    if room.is_half && now_ms >= earliest_ms {
        all.push(open());
        if now_ms >= latest_ms {
            return all;
        }
    }
    // It is closed still: then its end, if that is what it waits for, lies behind this moment.
    let earliest_ms = if room.is_half { earliest_ms.max(now_ms + 1) } else { earliest_ms };
    let same = State::Closed { from, earliest_ms, latest_ms };
    all.push(if class >= from {
        (same, false)
    } else if room.has(class) {
        (same, true)
    } else {
        close(earliest_ms.max(now_ms), latest_ms.max(now_ms + pause_ms))
    });
    all
}
