// jax-js trains the network, in the browser, on its WebGPU backend.
// The whole step is one compiled function (`jit`), which is the way its authors show: it joins operations into kernels.
import { defaultDevice, init, jit, lax, nn, numpy as np, valueAndGrad } from '@jax-js/jax';

import { BATCH, CLASSES, CONVS, EPSILON, FEATURES, LR, MOMENTUM, RUNNING, SIDE, batch, firstWeights } from './network.mjs';

const OVER_PLANES = [0, 2, 3];
const PADDING = [[1, 1], [1, 1]];

/** Scores of the images, and the moments of each BatchNorm. Every use of an array takes it; `ref` keeps it for another. */
function forward({ convs, weight, bias }, images) {
  const moments = [];
  let at = images;
  convs.forEach(({ kernel, scale, offset }, i) => {
    const { to, stride } = CONVS[i];
    const plane = (array) => array.reshape([1, to, 1, 1]);
    at = lax.convGeneralDilated(at, kernel, [stride, stride], PADDING);
    const mean = np.mean(at.ref, OVER_PLANES);
    const centred = at.sub(plane(mean.ref));
    const variance = np.mean(np.square(centred.ref), OVER_PLANES);
    moments.push({ mean, variance: variance.ref });
    const normed = centred.div(plane(np.sqrt(variance.add(EPSILON))));
    at = nn.relu(normed.mul(plane(scale)).add(plane(offset)));
  });
  return [np.matmul(np.mean(at, [2, 3]), weight).add(bias), moments];
}

function loss(params, images, targets) {
  const [scores, moments] = forward(params, images);
  return [nn.logSoftmax(scores, -1).mul(targets).sum().mul(-1 / BATCH), moments];
}

/** The same function over the arrays of trees of one shape. */
function zip(f, tree, ...others) {
  if (Array.isArray(tree)) return tree.map((branch, i) => zip(f, branch, ...others.map((other) => other[i])));
  if (tree.constructor !== Object) return f(tree, ...others);
  const of = (key) => zip(f, tree[key], ...others.map((other) => other[key]));
  return Object.fromEntries(Object.keys(tree).map((key) => [key, of(key)]));
}

function train(params, velocity, running, images, targets) {
  const [[cost, moments], gradient] = valueAndGrad(loss, { hasAux: true })(zip((p) => p.ref, params), images, targets);
  const moved = zip((v, g) => v.mul(MOMENTUM).add(g), velocity, gradient);
  const next = zip((p, v) => p.sub(v.ref.mul(LR)), params, moved);
  const kept = zip((r, now) => r.mul(1 - RUNNING).add(now.mul(RUNNING)), running, moments);
  return [cost, next, moved, kept];
}

/** The learner: `parameters`, and `step()`, which trains once and gives the loss as a function that reads it back. */
export async function learner() {
  if (!(await init('webgpu')).includes('webgpu')) throw new Error('its WebGPU backend does not start');
  defaultDevice('webgpu');
  const first = firstWeights();
  const array = (data, shape) => np.array(data).reshape(shape);
  let params = {
    convs: CONVS.map(({ from, to }, i) => {
      return { kernel: array(first.convs[i], [to, from, 3, 3]), scale: np.ones([to]), offset: np.zeros([to]) };
    }),
    weight: array(first.linear, [FEATURES, CLASSES]),
    bias: np.zeros([CLASSES]),
  };
  let parameters = 0;
  zip(({ size }) => (parameters += size), params);
  let velocity = zip(({ shape }) => np.zeros(shape), params);
  let running = CONVS.map(({ to }) => ({ mean: np.zeros([to]), variance: np.ones([to]) }));
  const { pixels, labels } = batch();
  const images = array(pixels, [BATCH, 3, SIDE, SIDE]);
  const targets = nn.oneHot(np.array(labels, { dtype: np.int32 }), CLASSES);
  const compiled = jit(train);
  return {
    parameters,
    step() {
      let cost;
      [cost, params, velocity, running] = compiled(params, velocity, running, images.ref, targets.ref);
      return async () => (await cost.data())[0];
    },
  };
}
