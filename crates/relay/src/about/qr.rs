//! A QR code as a drawing inside a page (SVG).

use qrcode::{Color, EcLevel, QrCode};
use std::fmt::Write;

/// Width of the empty border that readers need, in modules.
const QUIET: usize = 4;

/// Draws a text as a QR code, black on white with a white border, in one path. Returns `None` if
/// the text is too long for any QR code.
pub(super) fn draw(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text.as_bytes(), EcLevel::L).ok()?;
    let (width, colours) = (code.width(), code.to_colors());
    let mut path = String::new();
    for (y, row) in colours.chunks(width).enumerate() {
        // Each row is a line of strokes of the height of one module.
        let mut at = 0;
        let mut pen = None;
        for run in row.chunk_by(|left, right| left == right) {
            if run.first() == Some(&Color::Dark) {
                // Writing to a string does not fail.
                let _ = match pen {
                    None => write!(path, "M{} {}.5h{}", at + QUIET, y + QUIET, run.len()),
                    Some(end) => write!(path, "m{} 0h{}", at - end, run.len()),
                };
                pen = Some(at + run.len());
            }
            at += run.len();
        }
    }
    let size = width + 2 * QUIET;
    Some(format!(
        "<svg viewBox=\"0 0 {size} {size}\" role=\"img\" aria-label=\"The address as a QR code\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0 0h{size}v{size}H0z\"/><path stroke=\"#000\" d=\"{path}\"/></svg>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the dark modules of a drawing, each as (column, row) without the border.
    fn dark(drawing: &str) -> Vec<(usize, usize)> {
        let path = drawing.split_once("stroke=\"#000\" d=\"").unwrap().1.split_once('"').unwrap().0;
        let mut dark = Vec::new();
        for line in path.split('M').filter(|line| !line.is_empty()) {
            let (start, strokes) = line.split_once('h').unwrap();
            let (x, y) = start.split_once(' ').unwrap();
            let (mut x, y): (usize, usize) =
                (x.parse().unwrap(), y.strip_suffix(".5").unwrap().parse().unwrap());
            for (number, stroke) in strokes.split('m').enumerate() {
                let (gap, length) =
                    if number == 0 { ("0", stroke) } else { stroke.split_once(" 0h").unwrap() };
                let (gap, length): (usize, usize) = (gap.parse().unwrap(), length.parse().unwrap());
                x += gap;
                dark.extend((x..x + length).map(|x| (x - QUIET, y - QUIET)));
                x += length;
            }
        }
        dark
    }

    #[test]
    fn a_drawing_has_the_modules_of_the_code() {
        let text = "wss://relay.example/#AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        let code = QrCode::with_error_correction_level(text, EcLevel::L).unwrap();
        let drawing = draw(text).unwrap();
        let width = code.width();
        let expected: Vec<(usize, usize)> = (0..width * width)
            .filter(|at| code[(at % width, at / width)] == Color::Dark)
            .map(|at| (at % width, at / width))
            .collect();
        assert_eq!(dark(&drawing), expected);
        assert!(drawing.contains(&format!("M0 0h{0}v{0}H0z", width + 2 * QUIET)), "the white border");
        assert!(draw(&"x".repeat(4_000)).is_none());
    }
}
