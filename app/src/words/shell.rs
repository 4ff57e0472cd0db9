//! The static shell: what is seen before the page is there, and where it does not come. And the foot of the page.

/// The one sentence.
pub const ABOUT: &str = "Dense and sparse neural networks train side by side on samples that are hard to learn, in your browser.";
/// Where the race stands.
pub const COMING: &str = "The page is on its way";
/// Over the curve, once it takes long.
pub const LATE: &str =
    "This takes longer than it should. Reload the page; if it does not come then either, the server or the line has a problem.";
/// Where there is no JavaScript, ...
pub const NO_SCRIPT: (&str, &str) = (
    "JavaScript is switched off",
    "Sparring trains in this page and needs JavaScript and WebAssembly. Allow JavaScript for this site and reload the page. The native program needs neither.",
);
/// ... no WebAssembly, or one without SIMD, ...
pub const NOT_ABLE: (&str, &str) = (
    "This browser cannot run the page",
    "It needs WebAssembly with 128-bit SIMD: Chrome or Edge from 91, Safari from 16.4, Firefox from 114. In one of these it may be switched off, by a setting, an extension or a lockdown mode: allow it for this site and reload the page.",
);
/// ... or the page's module does not come.
pub const NOT_HERE: (&str, &str) = (
    "The page did not arrive",
    "A part of it could not be fetched, or does not fit the rest. Reload the page; if that does not help, the server lacks files.",
);
/// The link that reloads.
pub const RELOAD: &str = "Reload the page";

/// Name of the foot.
pub const FOOT: &str = "About Sparring";
/// The paper behind it.
pub const PAPER: &str = "The paper";
/// Its address.
pub const PAPER_ADDRESS: &str = "https://arxiv.org/abs/2409.09196";
/// How to cite it.
pub const CITE: &str = "Cite it";
/// As BibTeX.
pub const CITATION: &str = "@inproceedings{xiao2024hard,
  title     = {Are Sparse Neural Networks Better Hard Sample Learners?},
  author    = {Xiao, Qiao and Wu, Boqian and Yin, Lu and Gadzinski, Christopher Neil and
               Huang, Tianjin and Pechenizkiy, Mykola and Mocanu, Decebal Constantin},
  booktitle = {British Machine Vision Conference (BMVC)},
  year      = {2024},
}";
/// The licences: what is said before them, and each by its file beside the page.
pub const LICENCE: (&str, [(&str, &str); 2]) = ("Licence:", [("MIT", "licence-mit.txt"), ("Apache-2.0", "licence-apache.txt")]);
