//! Hand-computed cases and properties of AutoAttack's twins, in float64.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::rng::{Purpose, Stream};

const BALL: Ball = Ball { l2: false, eps: 0.25 };

fn random(n: usize, seed: u64) -> Vec<f64> {
    let mut s = Stream::new(seed, Purpose::Test, 0, 0);
    (0..n).map(|_| f64::from(s.uniform())).collect()
}
fn signed(n: usize, seed: u64) -> Vec<f64> {
    random(n, seed).into_iter().map(|v| 2.0 * v - 1.0).collect()
}

#[test]
fn losses_by_hand() {
    // In order: 5 (class 1), 3 (class 0), 2 (class 3), 1 (class 2).
    let z = [3.0, 5.0, 1.0, 2.0];
    let at = |kind, label, target| loss(kind, &z, label, target, &mut [0.0; 4]);
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} is not {b}");
    near(at(LaneLossKind::Dlr, 1, 0), -(5.0 - 3.0) / (5.0 - 2.0));
    near(at(LaneLossKind::Dlr, 2, 0), -(1.0 - 5.0) / (5.0 - 2.0));
    near(at(LaneLossKind::DlrTargeted, 1, 3), -(5.0 - 2.0) / (5.0 - 1.5));
    near(at(LaneLossKind::Difference, 1, 3), -3.0);
    near(at(LaneLossKind::Margin, 1, 3), 2.0);
    near(at(LaneLossKind::Margin, 0, 3), -2.0);
    let total: f64 = z.iter().map(|v| libm::exp(*v)).sum();
    near(at(LaneLossKind::CrossEntropy, 1, 0), libm::log(total) - 5.0);
    // Too few classes: the smallest logit stands in, and of two classes the difference is left.
    near(loss(LaneLossKind::DlrTargeted, &[1.0, 4.0, 2.0], 1, 2, &mut [0.0; 3]), -2.0 / 3.0);
    near(loss(LaneLossKind::Dlr, &[1.0, 4.0], 1, 0, &mut [0.0; 2]), -3.0);
    near(loss(LaneLossKind::DlrTargeted, &[1.0, 4.0], 0, 1, &mut [0.0; 2]), 3.0);
}

#[test]
fn gradients_of_losses_are_finite_differences() {
    use LaneLossKind::{CrossEntropy, Difference, Dlr, DlrTargeted, Margin};
    for (case, classes) in [2, 3, 4, 10].into_iter().enumerate() {
        for kind in [CrossEntropy, Dlr, DlrTargeted, Difference, Margin] {
            for label in 0..classes {
                let z = signed(classes, case as u64);
                let target = (label + 1) % classes;
                let mut gradient = vec![0.0; classes];
                loss(kind, &z, label, target, &mut gradient);
                for class in 0..classes {
                    let at = |h: f64| {
                        let mut z = z.clone();
                        z[class] += h;
                        loss(kind, &z, label, target, &mut vec![0.0; classes])
                    };
                    let want = (at(1e-6) - at(-1e-6)) / 2e-6;
                    assert!((gradient[class] - want).abs() < 1e-6, "{kind:?} of {classes}: {} is not {want}", gradient[class]);
                }
            }
        }
    }
}

/// The exact multiplier by sorting where pixels reach the box.
fn sorted(l2: bool, x: &[f64], w: &[f64], excess: f64) -> Vec<f64> {
    let direction = if excess < 0.0 { -1.0 } else { 1.0 };
    let room: Vec<f64> = x.iter().zip(w).map(|(x, w)| if direction * w > 0.0 { *x } else { 1.0 - x }).collect();
    let rate: Vec<f64> = w.iter().map(|w| if l2 { w.abs() } else { 1.0 }).collect();
    let reached = |m: f64| (0..x.len()).map(|i| w[i].abs() * (m * rate[i]).min(room[i])).sum::<f64>();
    let mut ends: Vec<f64> = (0..x.len()).map(|i| room[i] / rate[i]).collect();
    ends.sort_by(f64::total_cmp);
    let mut from = 0.0;
    for end in ends {
        if reached(end) >= excess.abs() {
            let share = (excess.abs() - reached(from)) / (reached(end) - reached(from));
            from += share * (end - from);
            break;
        }
        from = end;
    }
    (0..x.len()).map(|i| -direction * w[i].signum() * (from * rate[i]).min(room[i])).collect()
}

#[test]
fn projections_are_those_of_sorting() {
    for l2 in [false, true] {
        for seed in 0..50 {
            let (x, w) = (random(40, 2 * seed), signed(40, 2 * seed + 1));
            let most: f64 = x.iter().zip(&w).map(|(x, w)| w.abs() * if *w > 0.0 { *x } else { 1.0 - x }).sum();
            for share in [0.0, 0.01, 0.3, 0.9, 0.999] {
                let excess = share * most;
                let (got, want) = (project(l2, &x, &w, excess), sorted(l2, &x, &w, excess));
                let worst = got.iter().zip(&want).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
                assert!(worst < 1e-9, "l2 {l2}, seed {seed}, share {share}: off by {worst}");
                let down: f64 = w.iter().zip(&got).map(|(w, d)| -w * d).sum();
                assert!((down - excess).abs() < 1e-9);
            }
            // Out of reach: every pixel goes to its wall.
            let got = project(l2, &x, &w, most + 1.0);
            let walls = x.iter().zip(&got).zip(&w);
            assert!(walls.into_iter().all(|((x, d), w)| (x + d - if *w > 0.0 { 0.0 } else { 1.0 }).abs() < 1e-9));
        }
    }
    assert_eq!(project(true, &[0.5; 3], &[0.0; 3], 1.0), [0.0; 3]);
}

#[test]
fn apgd_moves_by_hand() {
    let (clean, x, old, grad) = ([0.5, 0.5, 0.9], [0.5, 0.6, 0.9], [0.5, 0.5, 0.9], [2.0, -1.0, 1.0]);
    // x1 = 0.6, 0.5, 1.0; then three quarters of it and a quarter of the last move.
    let got: Vec<f64> = apgd_move(BALL, 0.75, 0.1, &clean, &grad, &x, &old);
    for (got, want) in got.iter().zip([0.575, 0.6 - 0.075 + 0.025, 0.975]) {
        assert!((got - want).abs() < 1e-12, "{got} is not {want}");
    }
    // The first step has no momentum, and the ball holds: 0.5 + 0.25 and the box.
    assert_eq!(apgd_move::<f64>(BALL, 1.0, 0.5, &clean, &grad, &clean, &clean), [0.75, 0.25, 1.0]);
    let ball = Ball { l2: true, eps: 0.25 };
    let got: Vec<f64> = apgd_move(ball, 1.0, 5.0, &[0.5, 0.5], &[3.0, -4.0], &[0.5, 0.5], &[0.5, 0.5]);
    assert!((got[0] - 0.65).abs() < 1e-9 && (got[1] - 0.3).abs() < 1e-9, "{got:?}");
}

#[test]
fn apgd_halves_where_it_makes_no_progress() {
    let mut lane = [0.4, 9.0, 9.0, 9.0, 9.0, 9.0];
    let mut decide = |loss: f64, interval: f64, start: f64| {
        let decision = apgd_decide(loss, &[1.0, interval, start, 0.0], &mut lane);
        (decision.better, decision.halve, lane)
    };
    assert_eq!(decide(1.0, 0.0, 1.0), (true, false, [0.4, 1.0, 1.0, 0.0, 1.0, 1.0]));
    // Four rises in four steps: more than three quarters, and the best loss rose.
    assert_eq!(decide(2.0, 0.0, 0.0).2[3], 1.0);
    decide(3.0, 0.0, 0.0);
    decide(4.0, 0.0, 0.0);
    assert_eq!(decide(5.0, 4.0, 0.0), (true, false, [0.4, 5.0, 5.0, 0.0, 5.0, 0.0]));
    // Three of four are not more than three quarters.
    decide(4.0, 0.0, 0.0);
    decide(5.5, 0.0, 0.0);
    decide(5.6, 0.0, 0.0);
    assert_eq!(decide(5.7, 4.0, 0.0), (true, true, [0.2, 5.7, 5.7, 0.0, 5.7, 1.0]));
    // Not twice in a row for a best loss that stands, but for oscillation.
    decide(5.0, 0.0, 0.0);
    assert!(decide(5.1, 2.0, 0.0).1, "one rise of two");
}

#[test]
fn fab_lands_beyond_the_plane_near_the_clean_image() {
    for l2 in [false, true] {
        let shape = Shape { c: 1, h: 1, w: 20, n: 4 };
        let op = FabStep {
            shape,
            l2,
            clean: crate::ops::BufferId(0),
            grad: crate::ops::BufferId(1),
            values: crate::ops::BufferId(2),
            x: crate::ops::BufferId(3),
        };
        let (clean, w) = (random(20, 5), signed(20, 6));
        let dot = |x: &[f64]| x.iter().zip(&w).map(|(x, w)| x * w).sum::<f64>();
        let plane = dot(&clean) + 0.4;
        // From the clean image both projections are one; the move overshoots by a twentieth, but for what the box takes.
        let moved = fab_move(&op, dot(&clean) - plane, &clean, &w, &clean);
        let beyond = dot(&moved) - plane;
        assert!((0.0..=0.021).contains(&beyond), "{beyond}");
        let exact: Vec<f64> = project(l2, &clean, &w, -0.4);
        let zero = vec![0.0; 20];
        assert!(distance(l2, &moved, &clean) <= 1.05 * distance(l2, &exact, &zero) + 1e-12);
    }
}

#[test]
fn square_proposals_change_their_window_only_and_stay_in_the_ball() {
    let shape = Shape { c: 2, h: 5, w: 4, n: 4 };
    let id = crate::ops::BufferId(0);
    let clean = random(40, 1);
    for l2 in [false, true] {
        let ball = Ball { l2, eps: 0.25 };
        let op = SquareStep { shape, ball, clean: id, best: id, proposal: id, pyramids: id, x: id };
        let mut best: Vec<f64> = clean.iter().zip(signed(40, 2)).map(|(c, d)| c + 0.2 * d).collect();
        onto_ball(ball, &clean, &mut best);
        let words = [1.0, 1.0, 3.0, 1.0, 1.0, -1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0];
        let pyramids: Vec<f64> = signed(9, 3).into_iter().chain([0.0; 11]).collect();
        let x = square_move(&op, &words, &pyramids, &clean, &best);
        assert!(distance(l2, &x, &clean) <= 0.25 + 1e-12);
        assert!(x.iter().all(|v| (0.0..=1.0).contains(v)));
        let changed = |i: usize| (1..4).contains(&(i / 4 % 5)) && (1..4).contains(&(i % 4));
        for i in 0..40 {
            if !l2 && !changed(i) {
                assert!((x[i] - best[i]).abs() < 1e-12, "pixel {i}");
            } else if !l2 {
                assert!((x[i] - unit(clean[i] + if i < 20 { 0.25 } else { -0.25 })).abs() < 1e-12, "pixel {i}");
            }
        }
        // A row of the second window that the first does not cover has given its budget away.
        assert!(!l2 || (x[1] - clean[1]).abs() < 1e-12);
    }
}
