//! What the page shows, without a browser: races and their charts, links, lessons, estimates, studies.
//!
//! It is tested natively. Views read it; it knows none of them.

pub mod bout;
pub mod browser;
pub mod chart;
pub mod estimate;
pub mod examine;
pub mod export;
pub mod findings;
pub mod gallery;
pub mod kept;
pub mod lesson;
pub mod link;
pub mod mask;
pub mod names;
pub mod offers;
pub mod presets;
pub mod qr;
pub mod quiz;
pub mod race;
pub mod replay;
pub mod teacher;
pub mod verdict;
