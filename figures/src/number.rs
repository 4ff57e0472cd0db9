//! Numbers as a person reads them: rounded to what they are good for, grouped, with their unit.
//!
//! The page, the terminal and the reports say the same number in the same form, so that it can be looked for in all three. Files that
//! programs read (CSV, JSON) write numbers in full and do not come here.

/// `272474` as "272,474".
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// A value with so many decimals, never as minus zero.
pub fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(zero) if zero.bytes().all(|b| matches!(b, b'0' | b'.')) => zero.to_owned(),
        _ => text,
    }
}

/// The same, with its sign.
pub fn signed(value: f64, decimals: usize) -> String {
    let text = fixed(value, decimals);
    if text.starts_with('-') { text } else { format!("+{text}") }
}

/// A fraction (1 is all) in per cent: `0.5366` as "53.7%" with one decimal.
pub fn percent(fraction: f64, decimals: usize) -> String {
    format!("{}%", fixed(100.0 * fraction, decimals))
}

/// A fraction in per cent, with one decimal where it needs one: "50%", "12.5%".
pub fn share(fraction: f64) -> String {
    percent(fraction, 1).replace(".0%", "%")
}

/// A difference of two fractions in percentage points, always with its sign: `0.021` as "+2.1" with one decimal.
pub fn points(difference: f64, decimals: usize) -> String {
    signed(100.0 * difference, decimals)
}

/// A loss with so many decimals; one that has run away as "3.1e8", which a column can hold.
pub fn loss(value: f64, decimals: usize) -> String {
    if value.is_finite() && value.abs() >= 1e5 { format!("{value:.1e}") } else { fixed(value, decimals) }
}

/// Three significant digits, without an exponent: "0.12", "1.23", "12.3", "123", "1234".
pub fn three(value: f64) -> String {
    // What rounds up to the next size has that size's digits.
    let decimals = match value.abs() {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    fixed(value, decimals)
}

/// Prefixes of units, a factor of 1,000 apart.
const PREFIXES: [&str; 6] = ["", "k", "M", "G", "T", "P"];

/// How many factors of 1,000 a value is shortened by.
pub(crate) fn prefix(value: f64) -> (f64, &'static str) {
    let (mut size, mut prefix) = (1.0, PREFIXES[0]);
    for next in &PREFIXES[1..] {
        // A value that rounds up to 1,000 has the next prefix.
        if value.abs() < 999.5 * size {
            break;
        }
        (size, prefix) = (size * 1000.0, next);
    }
    (size, prefix)
}

/// A quantity with the prefix of its unit (powers of 1,000) and three significant digits: `31.4e9` FLOP as "31.4 GFLOP". Without a unit
/// it is "31.4 G".
pub fn si(value: f64, unit: &str) -> String {
    let (size, prefix) = prefix(value);
    let number = if size == 1.0 { fixed(value, 0) } else { three(value / size) };
    format!("{number} {prefix}{unit}").trim_end().to_owned()
}

/// Bytes as "3.34 MB" (powers of 1,000).
pub fn bytes(n: u64) -> String {
    si(n as f64, "B")
}

/// Floating-point operations as "31.4 GFLOP".
pub fn flops(n: f64) -> String {
    si(n, "FLOP")
}

/// How long something took, in seconds: "4.2 s", "12 min 5 s", "3 h 20 min".
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    match seconds.round() as u64 {
        // 59.96 s would be written as 60.0 s.
        0..60 => format!("{:.1} s", seconds.min(59.9)),
        whole @ 60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        whole => format!("{} h {} min", whole / 3600, whole / 60 % 60),
    }
}

/// A time in seconds as "about 4 min" says it: "75 s", "4 min", "1 h 20 min", "5 days".
pub fn about(seconds: f64) -> String {
    match seconds.max(0.0).round() as u64 {
        whole @ 0..90 => format!("{whole} s"),
        whole @ 90..3600 => format!("{} min", (whole + 30) / 60),
        whole @ 3600..360_000 => format!("{} h {} min", whole / 3600, whole / 60 % 60),
        whole => format!("{} days", count((whole + 43_200) / 86_400)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_that_has_run_away_stays_short() {
        assert_eq!([1.234_56, 99_999.0, 312_345_678.0, -1e30].map(|v| loss(v, 4)), ["1.2346", "99999.0000", "3.1e8", "-1.0e30"]);
        assert_eq!([f64::NAN, f64::INFINITY].map(|v| loss(v, 4)), ["NaN", "inf"]);
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!([0, 12, 999, 1_000, 272_474, u64::MAX].map(count), ["0", "12", "999", "1,000", "272,474", "18,446,744,073,709,551,615"]);
    }

    #[test]
    fn shares_and_differences_have_their_digits_and_no_minus_zero() {
        assert_eq!((percent(0.5366, 1), percent(0.9173, 2), percent(1.0, 0)), ("53.7%".into(), "91.73%".into(), "100%".into()));
        assert_eq!((share(0.5), share(0.125), share(1.0)), ("50%".into(), "12.5%".into(), "100%".into()));
        assert_eq!((percent(-0.0001, 1), percent(0.0, 0)), ("0.0%".into(), "0%".into()));
        assert_eq!((points(0.021, 1), points(-0.2, 0), points(-0.0004, 1)), ("+2.1".into(), "-20".into(), "+0.0".into()));
    }

    #[test]
    fn three_digits_count() {
        assert_eq!([0.123, 1.234, 9.996, 12.34, 99.96, 123.4, 1234.0].map(three), ["0.12", "1.23", "10.0", "12.3", "100", "123", "1234"]);
        assert_eq!(three(-0.001), "0.00");
    }

    #[test]
    fn units_have_their_prefix() {
        assert_eq!([999, 1_000, 3_342_000, 999_600_000].map(bytes), ["999 B", "1.00 kB", "3.34 MB", "1.00 GB"]);
        assert_eq!([0.0, 31.4e9, 2e18].map(flops), ["0 FLOP", "31.4 GFLOP", "2000 PFLOP"]);
        assert_eq!((si(269_722.0, ""), si(12.0, ""), si(-41e6, "")), ("270 k".into(), "12".into(), "-41.0 M".into()));
    }

    #[test]
    fn times_say_what_matters() {
        assert_eq!(
            [0.0, 4.24, 59.97, 65.0, 3_599.0, 3_725.0].map(duration),
            ["0.0 s", "4.2 s", "1 min 0 s", "1 min 5 s", "59 min 59 s", "1 h 2 min"]
        );
        assert_eq!([47.6, 89.0, 95.0, 240.0, 3_725.0, 4_800.0].map(about), ["48 s", "89 s", "2 min", "4 min", "1 h 2 min", "1 h 20 min"]);
        assert_eq!((duration(-1.0), about(f64::NAN)), ("0.0 s".into(), "0 s".into()));
        assert_eq!([359_999.0, 360_000.0, 1e9].map(about), ["99 h 59 min", "4 days", "11,574 days"]);
    }
}
