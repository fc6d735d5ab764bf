//! The file system of the store: whether it keeps the promise that destroyed bytes are gone.

use super::finding::Finding;
use crate::data_dir::{DataDir, file_system_name};
use std::path::Path;

pub(super) fn check(data: &DataDir) -> Vec<Finding> {
    let path = data.store_path();
    let mut findings = vec![judge(file_system_name(&path))];
    if mount_options(&path).is_some_and(|options| options.split(',').any(|option| option == "data=journal")) {
        findings.push(Finding::warning(
            "file_system",
            "it is mounted with data=journal: its journal keeps copies of destroyed bytes for a while; mount it with data=ordered",
        ));
    }
    findings
}

/// Judges a file system by its name.
fn judge(name: Option<&str>) -> Finding {
    let topic = "file_system";
    match name {
        Some(name @ ("ext4" | "xfs")) => Finding::good(
            topic,
            format!(
                "{name} writes in place; flash, snapshots and backups below it may keep old bytes all the same"
            ),
        ),
        Some(name @ ("tmpfs" | "ramfs")) => Finding::warning(
            topic,
            format!("{name} is memory: a reboot loses each mailbox and each blob; swap may hold parts of it"),
        ),
        Some(name @ ("btrfs" | "zfs" | "f2fs" | "overlay")) => Finding::warning(
            topic,
            format!(
                "{name} writes changed bytes to new places (copy-on-write): the sealed bytes of what was acked can stay on the disk. \
                 Their keys are overwritten in the same way, so a copy of the key can stay, too. Put the directory on ext4 or xfs"
            ),
        ),
        Some(name @ ("nfs" | "cifs" | "smb2" | "9p" | "fuse")) => Finding::warning(
            topic,
            format!(
                "{name} is not a disk of this machine: whether a write is on stable storage, or in a copy elsewhere, is for the other \
                 side to say. Put the directory on a local ext4 or xfs"
            ),
        ),
        Some(name) => Finding::warning(topic, format!("{name} was not tested; ext4 and xfs were")),
        None => Finding::warning(topic, "its kind is not known; ext4 and xfs were tested"),
    }
}

/// Returns the options of the file system's mount; `None` if the system does not tell.
#[cfg(target_os = "linux")]
fn mount_options(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let device = std::fs::metadata(path).ok()?.dev();
    let number = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let line = mounts.lines().find(|line| line.split(' ').nth(2) == Some(number.as_str()))?;
    line.rsplit(' ').next().map(str::to_owned)
}

/// Returns `None`: this system is not asked.
#[cfg(not(target_os = "linux"))]
fn mount_options(_path: &Path) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn only_file_systems_that_write_in_place_are_good() {
        for (name, level) in [
            (Some("ext4"), Level::Good),
            (Some("xfs"), Level::Good),
            (Some("tmpfs"), Level::Warning),
            (Some("btrfs"), Level::Warning),
            (Some("nfs"), Level::Warning),
            (Some("vfat"), Level::Warning),
            (None, Level::Warning),
        ] {
            assert_eq!(judge(name).level, level, "{name:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_options_of_a_mount_are_found() {
        assert!(mount_options(Path::new("/proc/self")).is_some_and(|options| !options.is_empty()));
        assert_eq!(mount_options(Path::new("/nowhere")), None);
    }
}
