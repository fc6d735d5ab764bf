//! A link as a QR code in a terminal: two modules per character, half blocks, quiet zone included.

use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};

/// Draws a text as a QR code. Returns `None` if it is too long for any QR code. Light modules are drawn in the text's
/// colour, as most terminals write light on dark; readers accept both.
pub fn draw(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text.as_bytes(), EcLevel::L).ok()?;
    let mut drawing = code.render::<Dense1x2>();
    Some(drawing.dark_color(Dense1x2::Dark).light_color(Dense1x2::Light).quiet_zone(true).build())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_link_fits_a_terminal() {
        let drawn = super::draw(&format!("deaddrop:{}", "aB3_".repeat(30))).unwrap();
        assert!(drawn.lines().all(|line| line.chars().count() <= 80), "{drawn}");
        assert!(drawn.lines().count() <= 40);
        assert!(drawn.chars().all(|c| matches!(c, ' ' | '\u{2580}' | '\u{2584}' | '\u{2588}' | '\n')));
    }

    #[test]
    fn what_is_too_long_is_not_drawn() {
        assert!(super::draw(&"x".repeat(4_000)).is_none());
    }
}
