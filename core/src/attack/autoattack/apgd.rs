//! APGD: auto projected gradient descent, on the cross-entropy or on the targeted difference of logits ratio.

use super::arena::{Run, scale_to};
use super::{Attack, stream};
use crate::device::Device;
use crate::error::Result;
use crate::ops::BufferId;
use crate::ops::autoattack::APGD_ROWS;

/// The iterations after which progress is checked, each with the length of the interval that it ends.
fn checkpoints(steps: u32) -> Vec<(u32, u32)> {
    let share = |percent: u32| (steps * percent / 100).max(1);
    let (mut length, least, shorter) = (share(22), share(6), share(3));
    let (mut at, mut all) = (length, Vec::new());
    while at <= steps {
        all.push((at, length));
        length = length.saturating_sub(shorter).max(least);
        at += length;
    }
    all
}

/// Runs it; where the answer is.
pub(super) async fn run(run: &Run<'_>, device: &mut Device, part: Attack, rank: usize) -> Result<BufferId> {
    let (court, steps) = (run.court, run.config.apgd_steps);
    run.start(device, |sample, values| {
        let mut stream = stream(run.config.seed, part, rank as u32, sample);
        values.iter_mut().for_each(|v| *v = if court.ball.l2 { stream.normal() } else { 2.0 * stream.uniform() - 1.0 });
        scale_to(court.ball, values);
    })?;
    let n = court.shape.n;
    let mut lanes = vec![0.0; APGD_ROWS * n];
    lanes[..n].fill(2.0 * court.ball.eps);
    device.write_f32(court.buffers.lanes, 0, &lanes)?;
    let checks = checkpoints(steps);
    let program = &court.programs.apgd[usize::from(part == Attack::ApgdT)];
    // Pass i is at the point after i steps, and takes the step that follows; what the last one takes is not looked at.
    for i in 0..=steps {
        let interval = checks.iter().find(|(at, _)| *at == i).map_or(0, |(_, length)| *length);
        let weight = if i == 0 { 1.0 } else { 0.75 };
        let start = f32::from(u8::from(i == 0));
        device.write_f32(court.buffers.control, 0, &[weight, interval as f32, start, 0.0])?;
        run.pass(device, program, i).await?;
    }
    Ok(court.buffers.adv)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_shrink_from_22_by_3_to_6_of_100() {
        let found = checkpoints(100);
        assert_eq!(found, [(22, 22), (41, 19), (57, 16), (70, 13), (80, 10), (87, 7), (93, 6), (99, 6)]);
        assert_eq!(checkpoints(1), [(1, 1)]);
        assert_eq!(checkpoints(10), [(2, 2), (3, 1), (4, 1), (5, 1), (6, 1), (7, 1), (8, 1), (9, 1), (10, 1)]);
    }
}
