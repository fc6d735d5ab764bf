//! Two screens side by side, as plain text: the left half shows what the first person sees, the
//! right half what the second sees.

use super::plan::Side;

/// Number of characters in a line of one screen: two screens fit into a terminal of 100 columns.
const WIDTH: usize = 44;

/// Returns the headings of the two screens, with the names of their people, and a line below them.
pub fn head(one: &str, two: &str) -> String {
    let left = format!("{one}'s screen");
    format!("    {left:WIDTH$} |  {two}'s screen\n    {}-+-{}", "-".repeat(WIDTH), "-".repeat(WIDTH))
}

/// Returns the rows that show a text on the screen of one side, and nothing on the other side.
pub fn row(side: Side, text: &str) -> String {
    let lines = wrap(text);
    let rows = lines.iter().map(|line| match side {
        Side::One => format!("    {line:WIDTH$} |"),
        Side::Two => format!("    {:WIDTH$} |  {line}", ""),
    });
    rows.collect::<Vec<_>>().join("\n")
}

/// Breaks a text at spaces into lines of about [`WIDTH`] characters; all but the first begin with
/// two spaces. A longer word gets a line of its own.
fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("  {word}")),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn screens_stand_side_by_side() {
        let bar = |text: &str| text.lines().map(|line| line.find(['|', '+']).unwrap()).collect::<Vec<_>>();
        let all =
            [head("Ada", "Ben"), row(Side::One, "you: hello"), row(Side::Two, &"many words ".repeat(9))]
                .join("\n");
        assert!(bar(&all).iter().all(|place| *place == 4 + WIDTH + 1), "{all}");
        assert!(all.lines().count() > 4, "{all}");
    }
}
