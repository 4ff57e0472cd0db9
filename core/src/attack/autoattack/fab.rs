//! FAB: the fast adaptive boundary attack, towards one target class. It looks for the nearest image that fools; whether that is in
//! the ball is decided at the end.

use super::arena::Run;
use crate::device::Device;
use crate::error::Result;
use crate::ops::BufferId;

/// A distance that every image is nearer than.
const FAR: f32 = 1e10;

/// Runs it from the clean image; where the answer is.
pub(super) async fn run(run: &Run<'_>, device: &mut Device) -> Result<BufferId> {
    let court = run.court;
    // The look for targets left the clean image in `x`.
    device.write_f32(court.buffers.lanes, 0, &vec![FAR; court.shape.n])?;
    for i in 0..run.config.fab_steps {
        run.pass(device, &court.programs.fab_move, 2 * i).await?;
        run.pass(device, &court.programs.fab_keep, 2 * i + 1).await?;
    }
    Ok(court.buffers.adv)
}
