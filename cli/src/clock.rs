//! The date and the system, as result files state them.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now in UTC, `2026-05-04T13:02:01Z`.
pub fn now() -> String {
    utc(SystemTime::now())
}

/// A time in UTC.
pub fn utc(time: SystemTime) -> String {
    format_utc(time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()))
}

/// Today in UTC, `2026-05-04`.
pub fn today() -> String {
    now().chars().take(10).collect()
}

/// Seconds since 1970 as a date (days to civil date after Howard Hinnant).
fn format_utc(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// The operating system, as far as it says.
pub fn system() -> String {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let pretty = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).map(|name| name.trim_matches('"').to_owned());
    format!("{} ({} {})", pretty.unwrap_or_else(|| std::env::consts::OS.to_owned()), std::env::consts::OS, std::env::consts::ARCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_at_the_edges() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_200, "2024-03-01T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(format_utc(seconds), text);
        }
    }
}
