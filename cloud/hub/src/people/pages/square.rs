use qrcode::{Color, QrCode};

/// Modules of white around the square (ISO/IEC 18004).
const QUIET: usize = 4;

/// The square as an SVG element: one path, no style.
pub(super) fn square(text: &str, label: &str) -> Option<String> {
    let code = QrCode::new(text.as_bytes()).ok()?;
    let width = code.width();
    let mut path = String::new();
    for (at, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            path.push_str(&format!("M{} {}h1v1h-1z", at % width + QUIET, at / width + QUIET));
        }
    }
    let side = width + 2 * QUIET;
    let label = label
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;");
    Some(format!(
        "<svg class=\"square\" viewBox=\"0 0 {side} {side}\" role=\"img\" aria-label=\"{label}\" \
         shape-rendering=\"crispEdges\"><rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/>\
         <path d=\"{path}\" fill=\"#000\"/></svg>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_has_its_three_corners_and_no_style() {
        let drawn = square("otpauth://totp/a", "a \"b\"").unwrap();
        let code = QrCode::new("otpauth://totp/a").unwrap();
        let far = code.width() + QUIET - 1;
        for corner in [
            format!("M{QUIET} {QUIET}h"),
            format!("M{far} {QUIET}h"),
            format!("M{QUIET} {far}h"),
        ] {
            assert!(drawn.contains(&corner), "{corner}");
        }
        assert!(!drawn.contains("style") && drawn.contains("aria-label=\"a &quot;b&quot;\""));
        assert!(square(&"x".repeat(5000), "").is_none());
    }
}
