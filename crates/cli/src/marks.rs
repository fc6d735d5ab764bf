//! The file `shown` of earlier versions: numbers of events that were printed although the vault's cursor had not come to them.
//! The vault has marks for that. The file is read once, then removed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

use deaddrop_client::Client;

use crate::failure::Failure;

/// Moves the numbers in the file `shown` of this folder into the vault's marks, and removes the
/// file. Does nothing if there is no file. If it is interrupted by a crash, the next call does it
/// again.
pub async fn take_over(folder: &Path, client: &Client) -> Result<(), Failure> {
    let file = folder.join("shown");
    match fs::read(&file) {
        // A damaged line costs a repeated event.
        Ok(bytes) => take_over_numbers(client, &String::from_utf8_lossy(&bytes)).await?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(stays(&file, &error)),
    }
    fs::remove_file(&file).map_err(|error| stays(&file, &error))?;
    // Left by a crash of an earlier version.
    let _ = fs::remove_file(file.with_extension("new"));
    Ok(())
}

/// Sets the mark of each contact (the number up to which its events were shown) from `text`, which
/// has the number of a printed event in each line. The events of a contact were printed in their
/// order, so the mark is the last number before the first event that is not in the file.
async fn take_over_numbers(client: &Client, text: &str) -> Result<(), Failure> {
    let printed: BTreeSet<u64> = text.lines().filter_map(|line| line.trim().parse().ok()).collect();
    let mut marks = BTreeMap::<String, u64>::new();
    let mut unread = BTreeSet::<String>::new();
    let mut last = client.cursor()?;
    while let events = client.events_after(last)?
        && let Some(newest) = events.last()
    {
        last = newest.number;
        for event in events {
            if !printed.contains(&event.number) {
                unread.insert(event.contact);
            } else if !unread.contains(&event.contact) {
                marks.insert(event.contact, event.number);
            }
        }
    }
    for (contact, number) in marks {
        client.set_shown_of(&[&contact], number).await?;
    }
    Ok(())
}

fn stays(file: &Path, error: &io::Error) -> Failure {
    Failure::new(format_args!(
        "{} is a file of an earlier version that cannot be read or removed: {error}. Remove it: texts that it names may be shown once more",
        file.display()
    ))
}
