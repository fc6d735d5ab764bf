//! The block device below a file.

use super::error::SelftestError;
use super::needles::{NEEDLE, Needles};
use super::report::DeviceReport;
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Number of bytes between two lines about the progress.
const TELL_EVERY: u64 = 16 << 30;

/// A block device on which a search has seen the canaries.
pub(super) struct Device {
    path: PathBuf,
}

impl Device {
    /// Finds the device that holds `file`, and searches it until one of `needles` is seen.
    pub(super) fn below(
        file: &Path,
        needles: &Needles,
        tell: &mut impl FnMut(&str),
    ) -> Result<Self, SelftestError> {
        let device = Self { path: path_of(file)? };
        tell(&format!("searching {} for the canaries, until one is seen", device.path.display()));
        if device.read(needles, tell, |seen| seen == 0)?.1.is_empty() {
            let place = device.path.display().to_string();
            return Err(SelftestError::Blind { seen: 0, all: needles.len(), place });
        }
        Ok(device)
    }

    /// Searches the whole device.
    pub(super) fn search(
        &self,
        slots: &Needles,
        bodies: &Needles,
        tell: &mut impl FnMut(&str),
    ) -> Result<DeviceReport, SelftestError> {
        tell(&format!("searching all of {} for what is left", self.path.display()));
        let mut all = Needles::new();
        all.add_all(slots);
        all.add_all(bodies);
        let (bytes, found) = self.read(&all, tell, |_| true)?;
        let slots_left = found.iter().filter(|needle| slots.contains(needle)).count();
        Ok(DeviceReport { path: self.path.clone(), bytes, slots_left, bodies_left: found.len() - slots_left })
    }

    /// Searches the device while `goes_on` is true of the number of needles seen. Returns the number
    /// of bytes read, and the needles seen.
    fn read(
        &self,
        needles: &Needles,
        tell: &mut impl FnMut(&str),
        goes_on: impl Fn(usize) -> bool,
    ) -> Result<(u64, HashSet<[u8; NEEDLE]>), SelftestError> {
        let fault = |error: io::Error| {
            let hint =
                if error.kind() == io::ErrorKind::PermissionDenied { "; run this as root" } else { "" };
            SelftestError::Device(format!("{}: {error}{hint}", self.path.display()))
        };
        let file = File::open(&self.path).map_err(fault)?;
        // The system's copies of the device's blocks may be older than the device.
        #[cfg(target_os = "linux")]
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
        let (mut read, mut told) = (0, 0);
        let found = needles.search(file, |bytes, seen| {
            read = bytes;
            if bytes - told >= TELL_EVERY {
                told = bytes;
                tell(&format!("{} GiB read", bytes >> 30));
            }
            goes_on(seen)
        });
        Ok((read, found.map_err(fault)?))
    }
}

/// Returns the path of the block device that holds this file.
#[cfg(target_os = "linux")]
fn path_of(file: &Path) -> Result<PathBuf, SelftestError> {
    use std::os::unix::fs::MetadataExt;
    let number = std::fs::metadata(file)?.dev();
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    let about = std::fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/uevent")).map_err(|_| {
        let text = format!(
            "the file system of {} is on no block device of its own ({major}:{minor})",
            file.display()
        );
        SelftestError::Device(text)
    })?;
    let name = about.lines().find_map(|line| line.strip_prefix("DEVNAME="));
    name.map(|name| Path::new("/dev").join(name))
        .ok_or_else(|| SelftestError::Device("the system does not name the device".to_owned()))
}

#[cfg(not(target_os = "linux"))]
fn path_of(_: &Path) -> Result<PathBuf, SelftestError> {
    Err(SelftestError::Device("this is possible on Linux alone".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_on_a_device_is_found_and_what_does_not_is_not() {
        // A file in place of the device.
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [vec![0; 70_001], vec![1; NEEDLE], vec![0; 9], vec![2; NEEDLE]].concat())
            .unwrap();
        let device = Device { path: file.path().to_owned() };
        let [mut slots, mut bodies] = [Needles::new(), Needles::new()];
        slots.add(&[1; NEEDLE]);
        slots.add(&[3; NEEDLE]);
        bodies.add(&[2; NEEDLE]);
        let report = device.search(&slots, &bodies, &mut |_| ()).unwrap();
        assert_eq!((report.bytes, report.slots_left, report.bodies_left), (70_074, 1, 1));
        let (_, seen) = device.read(&bodies, &mut |_| (), |seen| seen == 0).unwrap();
        assert_eq!(seen.len(), 1);
    }
}
