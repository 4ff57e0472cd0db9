//! Which browser a run was trained in, out of what it says of itself.
//!
//! A run card names the system as a person would, not by the string of all browsers that ever were.

/// "Firefox 141, Linux x86_64" of a user agent and a platform.
pub fn system(agent: &str, platform: &str) -> String {
    // In this order: most of them also claim to be the later ones.
    let known = [("Firefox/", "Firefox"), ("Edg/", "Edge"), ("OPR/", "Opera"), ("Chrome/", "Chrome"), ("Version/", "Safari")];
    let browser = known.iter().find_map(|(mark, name)| {
        let version = agent.split_once(mark)?.1;
        let version: String = version.chars().take_while(char::is_ascii_digit).collect();
        Some(format!("{name} {version}"))
    });
    match (browser, platform.is_empty()) {
        (Some(browser), true) => browser,
        (Some(browser), false) => format!("{browser}, {platform}"),
        (None, _) => agent.chars().take(120).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_named_as_people_name_them() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36";
        assert_eq!(system(chrome, "Linux x86_64"), "Chrome 141, Linux x86_64");
        let edge = format!("{chrome} Edg/140.0.0.0");
        assert_eq!(system(&edge, "Win32"), "Edge 140, Win32");
        let safari =
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15";
        assert_eq!(system(safari, "MacIntel"), "Safari 26, MacIntel");
        assert_eq!(system("Mozilla/5.0 (X11; Linux; rv:140.0) Gecko/20100101 Firefox/140.0", ""), "Firefox 140");
        assert_eq!(system("curl", "x"), "curl");
    }
}
