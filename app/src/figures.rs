//! Numbers as a person reads them: grouped, rounded to what they are good for, with their unit.

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

/// A fraction as "53.7%".
pub fn percent(fraction: f64) -> String {
    format!("{:.1}%", fraction * 100.0)
}

/// Three significant digits, without an exponent.
pub fn three(value: f64) -> String {
    let decimals = match value.abs() {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

fn scaled(value: f64, step: f64, units: &[&str]) -> String {
    let mut value = value;
    let mut unit = 0;
    while value >= step && unit + 1 < units.len() {
        value /= step;
        unit += 1;
    }
    let number = if unit == 0 { format!("{value:.0}") } else { three(value) };
    format!("{number} {}", units[unit])
}

/// Bytes as "3.34 MB" (powers of 1,000).
pub fn bytes(n: u64) -> String {
    scaled(n as f64, 1000.0, &["B", "kB", "MB", "GB"])
}

/// Floating-point operations as "31.4 GFLOP".
pub fn flops(n: f64) -> String {
    scaled(n, 1000.0, &["FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP"])
}

/// Seconds as "about 4 min" would say it: "12 s", "4 min", "1 h 20 min".
pub fn duration(seconds: f64) -> String {
    let s = seconds.max(0.0).round() as u64;
    match s {
        0..=89 => format!("{s} s"),
        90..=5399 => format!("{} min", (s + 30) / 60),
        _ => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

/// The step of a scale with about `target` ticks: 1, 2 or 5 times a power of ten.
pub fn nice_step(span: f64, target: usize) -> f64 {
    let raw = span / target.max(1) as f64;
    if !(raw.is_finite() && raw > 0.0) {
        return 1.0;
    }
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|m| m * power >= raw * 0.999).unwrap_or(10.0);
    step * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_meant() {
        assert_eq!(count(272_474), "272,474");
        assert_eq!(count(12), "12");
        assert_eq!(count(1_000), "1,000");
        assert_eq!(percent(0.5366), "53.7%");
        assert_eq!(bytes(3_342_000), "3.34 MB");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(flops(31.4e9), "31.4 GFLOP");
        assert_eq!(duration(89.0), "89 s");
        assert_eq!(duration(240.0), "4 min");
        assert_eq!(duration(4_800.0), "80 min");
        assert_eq!(duration(5_400.0), "1 h 30 min");
    }

    #[test]
    fn scales_have_round_steps() {
        assert!((nice_step(0.55, 5) - 0.2).abs() < 1e-12);
        assert!((nice_step(20.0, 5) - 5.0).abs() < 1e-12);
        assert!((nice_step(0.0, 5) - 1.0).abs() < 1e-12);
    }
}
