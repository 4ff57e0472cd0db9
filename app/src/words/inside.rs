//! Inside the sparse network.

use sparring_figures::number;

/// Heading.
pub const TITLE: &str = "Inside the sparse network";
/// Where nobody trained yet.
pub const NOBODY: &str =
    "Here you see which weights exist, and which come and go. There is no network yet: train for an epoch and watch its mask change.";
/// While the race is being prepared.
pub const SOON: &str = "The networks are being made.";
/// The button that trains.
pub const TRAIN: &str = "Train now";
/// Label.
pub const LEARNER: &str = "Learner";
/// Label.
pub const LAYER: &str = "Layer";
/// Heading.
pub const DENSITIES: &str = "Density by layer";
/// Heads of the table.
pub const COLUMNS: [&str; 6] = ["Layer", "Share that exists", "Density", "ERK", "Weights", "of"];
/// Heading.
pub const MASK: &str = "The mask";
/// Heading.
pub const EXPLORED: &str = "Positions tried so far";
/// Heading.
pub const WEIGHTS: &str = "The weights";
/// Legend of the mask, in the order of its colours.
pub const LEGEND: [&str; 4] = ["no weight", "a weight", "grown at the latest update", "pruned at the latest update"];
/// Line of all layers.
pub const ALL_LAYERS: &str = "All layers";
/// Column.
pub const EPOCH: &str = "Epoch";
/// Summary.
pub const NUMBERS: &str = "The numbers behind it";
/// Columns of the histogram's table.
pub const BIN: [&str; 3] = ["From", "to", "Weights"];
/// A learner without a mask.
pub const DENSE: &str = "This learner is dense: all its weights exist and none is pruned. Below are their sizes.";
/// No epoch was completed.
pub const NO_EPOCH: &str = "One point an epoch, once the first is done.";
/// A mask that never changes.
pub const FIXED: &str = "No update has changed this mask so far.";
/// A mask that is too large to send.
pub const TOO_MANY: &str = "This layer has more weights than this page can draw; their sizes are below.";
/// A full layer.
pub const FULL: &str = "This layer is full: every weight exists.";

/// What the bars compare.
pub fn compared(label: &str, density: f64) -> String {
    format!(
        "Bars: {label}. The filled tick is what ERK would give the layer, the open one a uniform allocation ({density:.3} everywhere), both at the same number of weights in all. Choose a layer to look into it."
    )
}
/// What the latest update did to a layer, and how much of it has been tried.
pub fn change(update: u32, grown: usize, pruned: usize, explored: f64) -> String {
    format!(
        "Update {update}: grown {}, pruned {}; {} of all positions of this layer have been tried so far.",
        number::count(grown as u64),
        number::count(pruned as u64),
        number::percent(explored, 1)
    )
}
/// The death rate.
pub fn death_rate(rate: f64) -> String {
    format!(
        "The latest update was to replace {} of each layer's weights (the death rate): of positive and of negative ones apart, in whole numbers.",
        number::percent(rate, 1)
    )
}
/// Under the mask of a network that ships.
pub const EXCHANGE_UNKNOWN: &str = "Which weights these were is not kept in a network that ships; a race of your own shows them in colour.";
/// Under the mask.
pub fn extent(rows: usize, columns: usize, active: usize, dot: (usize, usize)) -> String {
    let total = rows * columns;
    let mut out = format!(
        "{} of {} weights exist. Down: {rows} outputs; across: {columns} inputs and kernel positions.",
        number::count(active as u64),
        number::count(total as u64)
    );
    if dot != (1, 1) {
        out.push_str(&format!(" A dot stands for {} by {} of them, and has an update's colour where one of them changed.", dot.0, dot.1));
    }
    out
}
/// What the mask shows, for those who do not see it.
pub fn mask(label: &str, layer: &str) -> String {
    format!("Mask of {layer} in {label}")
}
/// What the lines show.
pub fn explored(label: &str, layer: &str) -> String {
    format!("Share of positions that {label} has ever used (the ITOP rate), by epoch: all layers together, and {layer}")
}
/// What the bars show; low and high are the ends.
pub fn weights(label: &str, layer: &str) -> String {
    format!("How many weights of {layer} in {label} are of which size; heights are square roots, so that a few are seen beside thousands")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_read_as_meant() {
        assert_eq!(
            change(3, 96, 1096, 0.63),
            "Update 3: grown 96, pruned 1,096; 63.0% of all positions of this layer have been tried so far."
        );
        let one = extent(16, 27, 96, (1, 1));
        assert_eq!(one, "96 of 432 weights exist. Down: 16 outputs; across: 27 inputs and kernel positions.");
        assert!(
            extent(512, 4608, 96, (2, 6))
                .ends_with("A dot stands for 2 by 6 of them, and has an update's colour where one of them changed.")
        );
    }
}
