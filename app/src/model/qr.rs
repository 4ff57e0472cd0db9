//! A link as a QR code: a class takes it from the wall, where nobody can type it.

use qrcodegen::{QrCode, QrCodeEcc};
use sparring_figures::svg::{Svg, Told};

/// White around it, in modules, as readers want.
const MARGIN: i32 = 4;

/// The code of a text as a drawing, told as `label`; `None` where no code holds so much (some 2,300 characters).
pub fn code(text: &str, label: &str) -> Option<String> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let side = f64::from(code.size() + 2 * MARGIN);
    let mut svg = Svg::new("qr", side, side, Told::By(label));
    svg.path("modules", (0..code.size()).flat_map(|y| row(&code, y)));
    Some(svg.finish())
}

/// The dark modules of a row as pieces of a line that is a module wide, each behind a gap.
fn row(code: &QrCode, y: i32) -> Vec<(f64, f64)> {
    let (mut points, height) = (Vec::new(), f64::from(y + MARGIN) + 0.5);
    for x in 0..=code.size() {
        // Beyond its sides a code is light.
        let (before, now) = (code.get_module(x - 1, y), code.get_module(x, y));
        if before != now {
            if now {
                points.push((f64::NAN, height));
            }
            points.push((f64::from(x + MARGIN), height));
        }
    }
    points
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// The modules that a drawing has dark.
    fn drawn(svg: &str) -> Vec<(i32, i32)> {
        let line = svg.split(" d=\"").nth(1).unwrap().split('"').next().unwrap();
        let number = |text: &str| text.parse::<f64>().unwrap();
        let mut all = Vec::new();
        for piece in line.split('M').filter(|piece| !piece.is_empty()) {
            let (from, to) = piece.split_once('L').unwrap();
            let ((x0, y), (x1, same)) = (from.split_once(' ').unwrap(), to.split_once(' ').unwrap());
            assert_eq!(y, same);
            all.extend((number(x0) as i32..number(x1) as i32).map(|x| (x - MARGIN, number(y) as i32 - MARGIN)));
        }
        all
    }

    #[test]
    fn what_is_drawn_is_the_code() {
        for text in ["a", "https://sparring.example/?lesson=sparse&step=3&text=Stop%20at%20step%204"] {
            let (code, svg) = (QrCode::encode_text(text, QrCodeEcc::Medium).unwrap(), super::code(text, "A <b> link").unwrap());
            let all = (0..code.size()).flat_map(|y| (0..code.size()).map(move |x| (x, y)));
            assert_eq!(drawn(&svg), all.filter(|(x, y)| code.get_module(*x, *y)).collect::<Vec<_>>(), "{text}");
            assert!(
                svg.contains("aria-label=\"A &lt;b&gt; link\"") && svg.contains(&format!("viewBox=\"0 0 {0} {0}\"", code.size() + 8)),
                "{svg}"
            );
        }
    }

    #[test]
    fn what_no_code_holds_has_none() {
        assert!(code(&"x".repeat(2300), "").is_some());
        assert!(code(&"x".repeat(2400), "").is_none());
    }
}
