//! AutoAttack's ops: a workgroup a lane, so that norms and decisions need no second dispatch; a thread a lane for losses.

use super::launch::{Launch, flag, read, write};
use crate::ops::autoattack::{Ball, LaneOp};

fn ball(ball: Ball) -> Vec<(&'static str, f64)> {
    vec![("L2", flag(ball.l2)), ("EPS", ball.eps.into())]
}

pub fn encode(mut op: LaneOp) -> Vec<Launch> {
    let (name, shape) = (op.name(), op.shape());
    let (shader, mut constants, passes) = match &op {
        LaneOp::Loss(o) => ("lane_loss", vec![("KIND", f64::from(o.kind.code())), ("CLASSES", o.classes as f64)], 8),
        LaneOp::ApgdStep(o) => ("apgd_step", ball(o.ball), 8),
        LaneOp::ApgdKeep(_) => ("apgd_keep", Vec::new(), 5),
        LaneOp::FabStep(o) => ("fab_step", vec![("L2", flag(o.l2))], 200),
        LaneOp::FabKeep(o) => ("fab_keep", vec![("L2", flag(o.l2))], 5),
        LaneOp::SquareStep(o) => {
            let mut all = ball(o.ball);
            all.extend([("CHANNELS", shape.c as f64), ("H", shape.h as f64), ("W", shape.w as f64)]);
            ("square_step", all, 8)
        }
        LaneOp::SquareKeep(_) => ("square_keep", Vec::new(), 3),
    };
    constants.push(("N", shape.n as f64));
    let per_lane = !matches!(op, LaneOp::Loss(_));
    if per_lane && !matches!(op, LaneOp::SquareStep(_)) {
        constants.push(("ROWS", (shape.c * shape.h * shape.w) as f64));
    }
    let bind = |slot: crate::ops::autoattack::Slot<'_>| {
        let bind = if slot.written { write } else { read };
        bind(slot.tensor, *slot.id, slot.words)
    };
    let bindings = op.slots().into_iter().map(bind).collect();
    let groups = if per_lane { shape.n } else { shape.n.div_ceil(64) };
    vec![Launch { op: name, shader, constants, bindings, groups, cost: (passes * shape.len()) as f64 }]
}
