//! File systems on which overwriting does not overwrite (S14).
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.

use std::fs::File;
use std::io;

/// The magic numbers of refused file systems: network file systems, whose server keeps what it likes, and copy-on-write
/// or log-structured ones, where an overwritten block stays on the disk. Overlay file systems are let through: a file
/// created on one is in its upper layer, an ordinary file system. So are tmpfs, FUSE and 9p, which say nothing about
/// the storage behind them.
#[cfg(target_os = "linux")]
const REFUSED: [u64; 12] = [
    0x6969,      // NFS
    0x517b,      // SMB
    0xff53_4d42, // CIFS
    0xfe53_4d42, // SMB2
    0x00c3_6400, // Ceph
    0x5346_414f, // OpenAFS
    0x6b41_4653, // AFS of the kernel
    0x0bd0_0bd0, // Lustre
    0x9123_683e, // Btrfs
    0x2fc1_2fc1, // ZFS
    0xca45_1a4e, // bcachefs
    0x3434,      // NILFS2
];

/// Whether bytes that are overwritten in this file leave the disk, as far as the operating system
/// tells.
#[cfg(target_os = "linux")]
pub(crate) fn can_delete(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    // The kernel's field is signed on some platforms and 32 bits wide on others; the magic numbers are 32 bits.
    let kind = rustix::fs::fstatfs(file)?.f_type as u64 & 0xffff_ffff;
    if REFUSED.contains(&kind) {
        return Ok(false);
    }
    let device = file.metadata()?.dev();
    let device = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    // Where the table of mounts cannot be read, nothing can be detected.
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    Ok(!journals_data(&mounts, &device))
}

/// Whether bytes that are overwritten in this file leave the disk. On this system always true:
/// nothing is detected.
#[cfg(not(target_os = "linux"))]
pub(crate) fn can_delete(_file: &File) -> io::Result<bool> {
    Ok(true)
}

/// Whether the device is mounted with file contents going through the journal, which keeps copies.
#[cfg(any(target_os = "linux", test))]
fn journals_data(mounts: &str, device: &str) -> bool {
    mounts.lines().any(|line| {
        let mut halves = line.splitn(2, " - ");
        let (mount, system) = (halves.next().unwrap_or(""), halves.next().unwrap_or(""));
        mount.split(' ').nth(2) == Some(device)
            && system.split(' ').nth(2).is_some_and(|options| options.split(',').any(|o| o == "data=journal"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s14_journalled_data_is_seen() {
        let mounts = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,data=ordered\n\
                      36 22 254:16 / /mnt rw - ext4 /dev/vdb rw,errors=remount-ro,data=journal\n";
        assert!(journals_data(mounts, "254:16"));
        assert!(!journals_data(mounts, "254:0"));
        assert!(!journals_data(mounts, "254:1"));
        assert!(!journals_data("junk - \n - - -", "254:1"));
    }

    #[test]
    fn an_ordinary_file_is_welcome() {
        assert!(can_delete(&tempfile::tempfile().unwrap()).unwrap());
    }
}
