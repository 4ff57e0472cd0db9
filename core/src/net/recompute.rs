//! Which activations a training step keeps, where it may compute the others twice (Chen et al. 2016).
//!
//! The graph is cut at layers through whose output alone everything passes. A segment between two cuts keeps its last output
//! only; the rest is computed again right before the segment's backward pass. Numbers do not change, memory and time do.

use super::graph::{Graph, Layer, NodeId};

/// Number of budgets that are tried for a segment, as parts of what the whole network would keep.
const BUDGETS: usize = 64;

/// What to compute again before the backward pass of each node, in forward order; nothing for most.
///
/// Chosen so that the words kept, with those of the one segment at work, are fewest at their peak. `on_load` are the BatchNorms whose output
/// is never written: whoever needs it reads their input.
pub fn plan(graph: &Graph, on_load: &[bool]) -> Vec<Vec<NodeId>> {
    let last = graph.last();
    let segments = Segments::new(graph, on_load);
    let whole = segments.kept(0, last);
    let cuts = (1..=BUDGETS).map(|part| segments.cut(whole * part / BUDGETS)).min_by_key(|cuts| segments.peak(cuts)).unwrap_or_default();
    let mut again = vec![Vec::new(); graph.nodes.len()];
    let mut from = 0;
    for cut in cuts {
        again[cut] = segments.again(from, cut);
        from = cut;
    }
    again
}

/// The node whose buffer holds what a node's readers load.
fn stored(graph: &Graph, on_load: &[bool], id: NodeId) -> NodeId {
    if on_load[id] { graph.nodes[id].input } else { id }
}

struct Segments<'a> {
    graph: &'a Graph,
    on_load: &'a [bool],
    /// Nodes at which the graph may be cut.
    cuts: Vec<NodeId>,
}

impl<'a> Segments<'a> {
    fn new(graph: &'a Graph, on_load: &'a [bool]) -> Self {
        let readers = graph.readers();
        // The last reader of each node, and where its buffer gets other contents.
        let (mut last_reader, mut overwritten) = (vec![0; graph.nodes.len()], vec![false; graph.nodes.len()]);
        for (id, node) in graph.nodes.iter().enumerate().skip(1) {
            node.inputs().for_each(|input| last_reader[stored(graph, on_load, input)] = id);
            overwritten[node.input] |= graph.overwrites_input(id, &readers);
        }
        let mut reach = 0;
        let mut cuts = Vec::new();
        for id in 1..graph.last() {
            // Nothing before `id` is read after it.
            if reach <= id && !overwritten[id] && !on_load[id] {
                cuts.push(id);
            }
            reach = reach.max(last_reader[id]);
        }
        Self { graph, on_load, cuts }
    }

    /// Words of a node's output, a lane.
    fn words(&self, id: NodeId) -> usize {
        let (c, h, w) = self.graph.extent(id);
        c * h * w
    }

    /// The outputs that the backward pass of a node reads.
    fn reads(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        let node = &self.graph.nodes[id];
        let (input, output) = match node.layer {
            Layer::Conv { .. } => (true, false),
            Layer::BatchNorm { relu, .. } => (true, relu),
            Layer::MaxPool(_) => (true, true),
            Layer::Relu => (false, true),
            Layer::Input | Layer::AvgPool(_) | Layer::ShortcutA { .. } | Layer::Add { .. } => (false, false),
        };
        let output = output && !self.on_load[id];
        input.then(|| stored(self.graph, self.on_load, node.input)).into_iter().chain(output.then_some(id))
    }

    /// Which nodes strictly between `from` and `to` the backward pass of `from + 1 ..= to` reads.
    fn wanted(&self, from: NodeId, to: NodeId) -> Vec<bool> {
        let mut wanted = vec![false; to + 1];
        for id in from + 1..=to {
            self.reads(id).filter(|&read| read > from && read < to).for_each(|read| wanted[read] = true);
        }
        wanted
    }

    /// Words of those.
    fn kept(&self, from: NodeId, to: NodeId) -> usize {
        self.wanted(from, to).iter().enumerate().filter(|(_, wanted)| **wanted).map(|(id, _)| self.words(id)).sum()
    }

    /// Those, and what they are computed from, in forward order.
    fn again(&self, from: NodeId, to: NodeId) -> Vec<NodeId> {
        let mut wanted = self.wanted(from, to);
        for id in (from + 1..to).rev().filter(|&id| id > 0) {
            if wanted[id] {
                self.graph.nodes[id].inputs().filter(|&input| input > from).for_each(|input| wanted[input] = true);
            }
        }
        (from + 1..to).filter(|&id| wanted[id]).collect()
    }

    /// Cuts at which segments keep no more than `budget` words while they are at work, as far as cuts allow.
    fn cut(&self, budget: usize) -> Vec<NodeId> {
        let (mut chosen, mut from) = (Vec::new(), 0);
        for (i, &cut) in self.cuts.iter().enumerate() {
            let next = self.cuts.get(i + 1).copied().unwrap_or(self.graph.last());
            if self.kept(from, next) > budget {
                chosen.push(cut);
                from = cut;
            }
        }
        chosen
    }

    /// The most words that are kept at any time of the backward pass.
    fn peak(&self, cuts: &[NodeId]) -> usize {
        let (mut outputs, mut from, mut peak) = (0, 0, 0);
        for &cut in cuts.iter().chain(std::iter::once(&self.graph.last())) {
            peak = peak.max(outputs + self.words(cut) + self.kept(from, cut));
            outputs += self.words(cut);
            from = cut;
        }
        peak
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::net::zoo::{Input, Model};

    fn graph(model: Model) -> Graph {
        model.graph(Input { extent: model.usual_extent(), classes: 10, mean: [0.0; 4], std: [1.0; 4] }).unwrap()
    }

    /// Every model, with all BatchNorms written and with those left to who loads them.
    fn graphs() -> impl Iterator<Item = (Graph, Vec<bool>, Model)> {
        Model::ALL.iter().map(|&model| (graph(model), model)).flat_map(|(g, model)| {
            let (none, some) = (vec![false; g.nodes.len()], g.norms_on_load());
            [(g.clone(), none, model), (g, some, model)]
        })
    }

    #[test]
    fn cuts_are_where_one_output_carries_everything() {
        for (g, on_load, model) in graphs() {
            let (segments, readers) = (Segments::new(&g, &on_load), g.readers());
            for &cut in &segments.cuts {
                let crossing = g.nodes.iter().enumerate().skip(cut + 1).flat_map(|(_, n)| n.inputs()).filter(|&i| i < cut);
                assert_eq!(crossing.count(), 0, "{model}: {cut}");
                let overwritten = (cut + 1..=g.last()).any(|id| g.nodes[id].input == cut && g.overwrites_input(id, &readers));
                assert!(!overwritten, "{model}: {cut}");
            }
        }
    }

    #[test]
    fn what_is_computed_again_can_be_and_suffices() {
        for (g, on_load, model) in graphs() {
            let (again, segments) = (plan(&g, &on_load), Segments::new(&g, &on_load));
            let mut from = 0;
            for (cut, nodes) in again.iter().enumerate().filter(|(id, _)| segments.cuts.contains(id)) {
                if nodes.is_empty() {
                    continue;
                }
                let at_hand = |id: NodeId| id <= from || id == cut || nodes.contains(&id);
                assert!(nodes.iter().all(|&id| g.nodes[id].inputs().all(at_hand)), "{model}: {cut}");
                assert!((from + 1..=cut).all(|id| segments.reads(id).all(at_hand)), "{model}: {cut}");
                from = cut;
            }
        }
    }

    #[test]
    fn deep_networks_keep_far_less() {
        for (model, most) in [(Model::ResNet20, 0.5), (Model::ResNet56, 0.35), (Model::ResNet18, 0.5), (Model::Vgg16, 0.7)] {
            let g = graph(model);
            let on_load = vec![false; g.nodes.len()];
            let segments = Segments::new(&g, &on_load);
            let cuts: Vec<NodeId> =
                plan(&g, &on_load).iter().enumerate().filter(|(_, nodes)| !nodes.is_empty()).map(|(id, _)| id).collect();
            let share = segments.peak(&cuts) as f64 / segments.peak(&[]) as f64;
            assert!(share < most, "{model}: {share}");
        }
    }
}
