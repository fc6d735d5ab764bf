//! What was printed: the vault keeps one mark, all events up to it were printed. Where events of one person are printed while
//! others before them are not (`receive --from`, `chat`), their numbers (and nothing else) are kept in a file beside the vault
//! until the mark has passed them.

use std::{collections::BTreeSet, fs, io::Write, path::PathBuf};

use deaddrop_client::Client;

use crate::{failure::Failure, home::Home};

/// Numbers of events that were printed although the vault's mark has not come to them.
#[derive(Debug)]
pub struct Marks {
    file: PathBuf,
    beyond: BTreeSet<u64>,
    stored: BTreeSet<u64>,
}

impl Marks {
    /// A missing or damaged file costs a repeated line, no more.
    pub fn load(home: &Home) -> Self {
        let file = home.folder().join("shown");
        let text = fs::read_to_string(&file).unwrap_or_default();
        let beyond: BTreeSet<u64> = text.lines().filter_map(|line| line.parse().ok()).collect();
        Self { file, stored: beyond.clone(), beyond }
    }

    /// Whether it was printed.
    pub fn has(&self, number: u64) -> bool {
        self.beyond.contains(&number)
    }

    /// It was printed.
    pub fn set(&mut self, number: u64) {
        self.beyond.insert(number);
    }

    /// The vault's mark has come to this number.
    pub fn forget_through(&mut self, number: u64) {
        self.beyond.retain(|beyond| *beyond > number);
    }

    /// Forgets numbers that the vault has not given to any event: it was put back from an older copy, and will give them to events
    /// that were not printed.
    pub fn forget_unknown(&mut self, client: &Client) -> Result<(), Failure> {
        while let Some(highest) = self.beyond.last().copied()
            && client.events_after(highest.saturating_sub(1))?.is_empty()
        {
            self.beyond.remove(&highest);
        }
        self.save()
    }

    /// Makes it last.
    pub fn save(&mut self) -> Result<(), Failure> {
        if self.stored == self.beyond {
            return Ok(());
        }
        let write = || {
            if self.beyond.is_empty() {
                return fs::remove_file(&self.file);
            }
            let new = self.file.with_extension("new");
            let mut file = fs::File::create(&new)?;
            for number in &self.beyond {
                writeln!(file, "{number}")?;
            }
            file.sync_all()?;
            fs::rename(&new, &self.file)
        };
        write()
            .map_err(|error| Failure::new(format_args!("what was printed cannot be remembered: {error}")))?;
        self.stored.clone_from(&self.beyond);
        Ok(())
    }
}
