//! The result of a test for residue, in words and as JSON.

use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

/// The result of a test. A *piece* is a string of 32 bytes of a slot or of a sealed body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ResidueReport {
    /// Number of canaries that were put, delivered and acked.
    pub canaries: usize,
    /// Number of pieces of the canaries' slots, which hold their keys.
    pub slots: usize,
    /// Number of these pieces in the file when the ack was answered.
    pub slots_left: usize,
    /// Number of canaries that the store key opened when the ack was answered.
    pub opened: usize,
    /// Number of pieces of the canaries' sealed bodies.
    pub bodies: usize,
    /// Number of these pieces in the file when the ack was answered. They may be there.
    pub bodies_at_once: usize,
    /// Number of these pieces in the file after `waited_s`.
    pub bodies_left: usize,
    /// Time from the ack to the last search, in seconds.
    pub waited_s: u64,
    /// The result for the block device; `None` if it was not searched.
    pub device: Option<DeviceReport>,
}

/// The result of a search of the block device below the file system, made after `waited_s`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DeviceReport {
    /// Path of the device.
    pub path: PathBuf,
    /// Number of bytes that were read.
    pub bytes: u64,
    /// Number of pieces of slots that were found.
    pub slots_left: usize,
    /// Number of pieces of bodies that were found.
    pub bodies_left: usize,
}

impl ResidueReport {
    /// Whether nothing was found that should be gone.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let in_file = self.slots_left + self.opened + self.bodies_left;
        in_file == 0 && self.device.as_ref().is_none_or(|device| device.slots_left + device.bodies_left == 0)
    }
}

impl fmt::Display for ResidueReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            canaries,
            slots,
            slots_left,
            opened,
            bodies,
            bodies_at_once,
            bodies_left,
            waited_s,
            device,
        } = self;
        writeln!(f, "{canaries} canaries were put, delivered and acked.")?;
        writeln!(
            f,
            "Keys, when the ack was answered: {slots_left} of {slots} pieces are in the file; the store key opens {opened} canaries."
        )?;
        writeln!(
            f,
            "Sealed bytes: {bodies_at_once} of {bodies} pieces were in the file then, and {bodies_left} are {waited_s} s later."
        )?;
        if let Some(device) = device {
            let DeviceReport { path, bytes, slots_left, bodies_left } = device;
            writeln!(
                f,
                "Device {}, {bytes} bytes: {slots_left} pieces of keys and {bodies_left} of sealed bytes.",
                path.display()
            )?;
        }
        if self.is_clean() {
            f.write_str("Clean: nothing is left of what was acked.")
        } else {
            f.write_str("NOT CLEAN: parts of what was acked are left. Do not run a relay on this file system before you know why.")
        }
    }
}
