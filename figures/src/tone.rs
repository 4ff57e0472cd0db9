//! Who is who: the colour and the dash pattern that mean the dense network and the sparse ones, everywhere.
//!
//! They are written once, in the style sheet `figures.css`, which the page links and the reports carry. Drawings that leave the page get
//! plain colours from the same lines, since not every program that shows SVG knows variables.

use std::fmt::Write;

/// The style sheet of figures.
pub const STYLE: &str = include_str!("figures.css");

/// The ground that a drawing of its own stands on.
pub(crate) const PAPER: &str = "#fffefb";

/// How a network is drawn. Dense is always the same; the others take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Blue, dashed.
    Dense,
    /// Orange-red, solid.
    Sparse,
    /// Green, dash and dot.
    Third,
    /// Violet, dotted.
    Fourth,
    /// Teal, long dashes.
    Fifth,
    /// Magenta, dash and two dots.
    Sixth,
    /// Ochre, sparse dots.
    Seventh,
    /// Grey, long dash and two short ones.
    Eighth,
}

impl Tone {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Dense, Self::Sparse, Self::Third, Self::Fourth, Self::Fifth, Self::Sixth, Self::Seventh, Self::Eighth];
    /// The style sheet's class.
    pub fn class(self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::Sparse => "sparse",
            Self::Third => "third",
            Self::Fourth => "fourth",
            Self::Fifth => "fifth",
            Self::Sixth => "sixth",
            Self::Seventh => "seventh",
            Self::Eighth => "eighth",
        }
    }
    /// The classes of a network of this tone, or of its control, which is drawn thinner and paler.
    pub fn classes(self, control: bool) -> String {
        format!("{}{}", self.class(), if control { " control" } else { "" })
    }
    /// The tone of a network that is not the dense one, by its place among those.
    pub fn other(place: usize) -> Self {
        let [_, others @ ..] = Self::ALL;
        others[place % others.len()]
    }
    /// The tones of a list of networks, each told by its family's name and whether it is dense: one family has one tone.
    pub fn by_family<'a>(networks: impl IntoIterator<Item = (&'a str, bool)>) -> Vec<Self> {
        let mut families: Vec<&str> = Vec::new();
        let tone = |(family, dense): (&'a str, bool)| {
            if dense {
                return Self::Dense;
            }
            let place = families.iter().position(|known| *known == family).unwrap_or_else(|| {
                families.push(family);
                families.len() - 1
            });
            Self::other(place)
        };
        networks.into_iter().map(tone).collect()
    }
    /// Its colour on light ground and its dashes, as the style sheet has them.
    fn plain(self) -> (&'static str, &'static str) {
        let class = self.class();
        let colour = between(&format!("--{class}: light-dark("), ",");
        (colour, between(&format!(".{class} {{ --tone: var(--{class}); --dash: "), ";"))
    }
}

/// What stands in the style sheet behind `before`, up to `end`.
fn between(before: &str, end: &str) -> &'static str {
    let rest = STYLE.split_once(before).map_or("", |(_, rest)| rest);
    rest.split_once(end).map_or("", |(found, _)| found)
}

/// The style of a drawing that stands alone, on light ground.
pub(crate) fn standalone() -> String {
    let mut out = format!(
        "text{{font:12px sans-serif;fill:#5b616a}}.title{{font-size:14px;font-weight:600;fill:#1b1f24}}.grid{{stroke:#dfdbd1}}\
         .zero{{stroke:#8a8f96}}.line{{fill:none;stroke-width:2.25}}.line.control{{stroke-width:1.25;opacity:.6}}\
         .dot{{stroke:{PAPER};stroke-width:1.5}}.band{{opacity:.14}}circle.mark{{fill:{PAPER}}}\
         text.mark{{font-size:13px;font-weight:700;text-anchor:middle}}.interval{{stroke-width:2.2;stroke-linecap:round}}\
         .join{{fill:none;stroke-width:1.3;opacity:.55}}.seed{{opacity:.35}}.control .interval,.control .join{{stroke-width:1.2;opacity:.6}}\
         text.name,text.word{{fill:#1b1f24}}text.name{{font-size:13px}}text.group{{font-weight:600}}"
    );
    for tone in Tone::ALL {
        let (class, (colour, dash)) = (tone.class(), tone.plain());
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            ".line.{class}{{stroke:{colour};stroke-dasharray:{dash}}}.dot.{class},.band.{class},text.mark.{class}{{fill:{colour}}}\
             .{class} .interval,.{class} .join{{stroke:{colour}}}.{class} .join{{stroke-dasharray:{dash}}}\
             .{class} .mean,.{class} .seed{{fill:{colour}}}.{class}.control .mean,.{class} .own{{fill:{PAPER};stroke:{colour};stroke-width:1.4}}\
             .{class} .bar,.{class} .knew{{fill:{colour}}}.{class} .missed{{fill:none;stroke:{colour};stroke-width:1.5}}"
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_style_sheet_has_a_colour_and_a_dash_pattern_of_every_tone() {
        let plain = Tone::ALL.map(Tone::plain);
        assert!(plain.iter().all(|(colour, dash)| colour.len() == 7 && colour.starts_with('#') && !dash.is_empty()), "{plain:?}");
        for (i, a) in plain.iter().enumerate() {
            assert!(plain[..i].iter().all(|b| a.0 != b.0 && a.1 != b.1), "told apart by colour and by dashes: {plain:?}");
        }
        assert_eq!(plain[0], ("#3451c6", "7 4.5"));
        assert!(standalone().contains(".line.sparse{stroke:#c8410b;stroke-dasharray:none}"));
    }

    #[test]
    fn one_family_has_one_tone_and_dense_is_always_dense() {
        let networks = [("set@0.1", false), ("dense", true), ("rigl@0.1", false), ("set@0.1", false), ("snip", false), ("gmp", false)];
        assert_eq!(Tone::by_family(networks), [Tone::Sparse, Tone::Dense, Tone::Third, Tone::Sparse, Tone::Fourth, Tone::Fifth]);
        assert_eq!((Tone::Dense.classes(false), Tone::Third.classes(true)), ("dense".into(), "third control".into()));
    }
}
