//! Long lines become short ones that look the same.
//!
//! A drawing is a few hundred units wide, a run may have a hundred thousand points, and the page draws its chart ten times a second. Of
//! each stretch of a long line the lowest and the highest point stay, so no peak is lost.

/// Points a line keeps at most.
pub const MOST: usize = 600;

/// The line with at most [`MOST`] points. A point that is not finite is a gap and stays one where a whole stretch has no other.
pub fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= MOST {
        return points.to_vec();
    }
    let stretch = points.len().div_ceil(MOST / 2 - 1);
    let mut out = Vec::with_capacity(MOST);
    out.push(points[0]);
    for part in points.chunks(stretch) {
        let known = |i: &usize| part[*i].0.is_finite() && part[*i].1.is_finite();
        let by_height = |a: &usize, b: &usize| part[*a].1.total_cmp(&part[*b].1);
        match ((0..part.len()).filter(known).min_by(by_height), (0..part.len()).filter(known).max_by(by_height)) {
            (Some(low), Some(high)) => {
                out.push(part[low.min(high)]);
                if low != high {
                    out.push(part[low.max(high)]);
                }
            }
            _ => out.push(part[0]),
        }
    }
    out.extend(points.last());
    out
}

/// Every so many of `count` things, the last one included, so that about `most` remain.
pub fn every(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let step = count.div_ceil(most.max(1)).max(1);
    (0..count).rev().step_by(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_lines_stay_as_they_are() {
        let points: Vec<_> = (0..MOST).map(|i| (i as f64, 1.0)).collect();
        assert_eq!(thin(&points), points);
        assert_eq!(thin(&[]), []);
    }

    #[test]
    fn long_lines_keep_their_ends_and_their_peaks() {
        let mut points: Vec<_> = (0..100_000).map(|i| (f64::from(i), (f64::from(i) * 0.001).sin())).collect();
        (points[31_415].1, points[77_777].1) = (9.0, -9.0);
        let thinned = thin(&points);
        assert!(thinned.len() <= MOST && thinned.len() > MOST / 2, "{}", thinned.len());
        assert_eq!((thinned.first(), thinned.last()), (points.first(), points.last()));
        assert!(thinned.contains(&points[31_415]) && thinned.contains(&points[77_777]));
        assert!(thinned.windows(2).all(|p| p[0].0 <= p[1].0), "in order");
    }

    #[test]
    fn a_long_gap_stays_and_single_broken_points_do_not_spread() {
        let y = |i: i32| if (40_000..60_000).contains(&i) || i % 1000 == 7 { f64::NAN } else { 1.0 };
        let thinned = thin(&(0..100_000).map(|i| (f64::from(i), y(i))).collect::<Vec<_>>());
        assert!(thinned.iter().any(|p| p.1.is_nan()));
        assert!(thinned.iter().filter(|p| p.1.is_nan()).all(|p| (40_000.0..60_000.0).contains(&p.0)));
    }

    #[test]
    fn some_of_many_end_with_the_last() {
        assert_eq!(every(5, 10).collect::<Vec<_>>(), [4, 3, 2, 1, 0]);
        assert_eq!(every(1000, 100).next(), Some(999));
        assert!(every(1001, 100).count() <= 101 && every(0, 5).count() == 0);
    }
}
