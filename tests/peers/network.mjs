// The network that everybody trains: the shapes of `tiny` (core/src/net/zoo/small.rs), its first weights, and one batch.
// It stands once, so that no peer trains something smaller; weights and batch come from a seed, so that peers can be held against
// each other: they must have the same losses.

export const BATCH = 64;
export const SIDE = 32;
export const CLASSES = 10;
export const LR = 0.05;
export const MOMENTUM = 0.9;
/** What BatchNorm adds to a variance, and how much of a batch its running moments take. */
export const EPSILON = 1e-5;
export const RUNNING = 0.1;
/** 3x3 convolutions without a bias, padded by 1, each with BatchNorm and ReLU; then the mean of each plane, and a linear layer. */
export const CONVS = [
  { from: 3, to: 16, stride: 1 },
  { from: 16, to: 32, stride: 2 },
  { from: 32, to: 64, stride: 2 },
];
export const FEATURES = CONVS.at(-1).to;

/** Uniform numbers from 0 to 1 (mulberry32). */
function stream(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let word = Math.imul(state ^ (state >>> 15), 1 | state);
    word = (word + Math.imul(word ^ (word >>> 7), 61 | word)) ^ word;
    return ((word ^ (word >>> 14)) >>> 0) / 4294967296;
  };
}

const filled = (length, next) => Float32Array.from({ length }, next);

/** First weights: of each convolution (out, in, 3, 3), then of the linear layer (in, out). */
export function firstWeights() {
  const uniform = stream(1);
  const within = (bound) => () => (2 * uniform() - 1) * bound;
  return {
    convs: CONVS.map(({ from, to }) => filled(to * from * 9, within(Math.sqrt(6 / (from * 9))))),
    linear: filled(FEATURES * CLASSES, within(1 / Math.sqrt(FEATURES))),
  };
}

/** Random pixels (sample, channel, row, column) and their classes. */
export function batch() {
  const uniform = stream(2);
  return {
    pixels: filled(BATCH * CONVS[0].from * SIDE * SIDE, () => 2 * uniform() - 1),
    labels: Int32Array.from({ length: BATCH }, () => Math.floor(uniform() * CLASSES)),
  };
}

/** The same numbers with the axes in another order: axis i of the result is axis `order[i]`. */
export function permuted(data, shape, order) {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  const to = order.map((axis) => shape[axis]);
  const out = new Float32Array(data.length);
  for (let i = 0; i < out.length; i += 1) {
    let [rest, at] = [i, 0];
    for (let axis = to.length - 1; axis >= 0; axis -= 1) {
      at += (rest % to[axis]) * strides[order[axis]];
      rest = Math.floor(rest / to[axis]);
    }
    out[i] = data[at];
  }
  return out;
}
