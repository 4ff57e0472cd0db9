// TensorFlow.js trains the network, in the browser, on its WebGPU backend.
// Written with plain operations. BatchNorm in two ways: its own `batchNorm`, as its layers use it, and one by hand whose tensors of
// a value a channel have four axes, because its WebGPU backend multiplies an image by one of one axis many times slower.
import '@tensorflow/tfjs-backend-webgpu';
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
import * as tf from '@tensorflow/tfjs-core';

import { BATCH, CLASSES, CONVS, EPSILON, FEATURES, LR, MOMENTUM, RUNNING, SIDE, batch, firstWeights, permuted } from './network.mjs';

const OVER_PLANES = [0, 1, 2];

/** Its own BatchNorm, and the moments of the batch. */
function stock(at, { scale, offset }) {
  const { mean, variance } = tf.moments(at, OVER_PLANES);
  return { mean, variance, normed: tf.batchNorm(at, mean, variance, offset, scale, EPSILON) };
}

/** The same by hand; values a channel are (1, 1, 1, channels). */
function byHand(at, { scale, offset }) {
  const mean = tf.mean(at, OVER_PLANES, true);
  const centred = tf.sub(at, mean);
  const variance = tf.mean(tf.square(centred), OVER_PLANES, true);
  const factor = tf.mul(scale, tf.rsqrt(tf.add(variance, EPSILON)));
  return { mean, variance, normed: tf.add(tf.mul(centred, factor), offset) };
}

const WAYS = {
  stock: { batchnorm: stock, shape: (channels) => [channels] },
  'by hand': { batchnorm: byHand, shape: (channels) => [1, 1, 1, channels] },
};

/** The learner: `parameters`, and `step()`, which trains once and gives the loss as a function that reads it back. */
export async function learner(way) {
  if (!(await tf.setBackend('webgpu'))) throw new Error('its WebGPU backend does not start');
  await tf.ready();
  const { batchnorm, shape } = WAYS[way];
  const first = firstWeights();
  const convs = CONVS.map(({ from, to, stride }, i) => ({
    stride,
    // Its convolutions want (row, column, in, out) and its images channels last.
    weight: tf.variable(tf.tensor(permuted(first.convs[i], [to, from, 3, 3], [2, 3, 1, 0]), [3, 3, from, to])),
    scale: tf.variable(tf.ones(shape(to))),
    offset: tf.variable(tf.zeros(shape(to))),
    mean: tf.variable(tf.zeros(shape(to)), false),
    variance: tf.variable(tf.ones(shape(to)), false),
  }));
  const weight = tf.variable(tf.tensor(first.linear, [FEATURES, CLASSES]));
  const bias = tf.variable(tf.zeros([CLASSES]));
  const trained = [...convs.flatMap((conv) => [conv.weight, conv.scale, conv.offset]), weight, bias];

  const { pixels, labels } = batch();
  const images = tf.tensor(permuted(pixels, [BATCH, CONVS[0].from, SIDE, SIDE], [0, 2, 3, 1]), [BATCH, SIDE, SIDE, CONVS[0].from]);
  const targets = tf.oneHot(tf.tensor1d(labels, 'int32'), CLASSES, 1, 0, 'float32');
  const optimizer = tf.train.momentum(LR, MOMENTUM);

  const keep = (running, now) => running.assign(tf.add(tf.mul(running, 1 - RUNNING), tf.mul(now, RUNNING)));
  const loss = () => {
    let at = images;
    for (const conv of convs) {
      const { mean, variance, normed } = batchnorm(tf.conv2d(at, conv.weight, conv.stride, 1), conv);
      keep(conv.mean, mean);
      keep(conv.variance, variance);
      at = tf.relu(normed);
    }
    const scores = tf.add(tf.matMul(tf.mean(at, [1, 2]), weight), bias);
    return tf.losses.softmaxCrossEntropy(targets, scores);
  };
  return {
    parameters: trained.reduce((sum, { size }) => sum + size, 0),
    step() {
      const cost = optimizer.minimize(loss, true, trained);
      return async () => {
        const [value] = await cost.data();
        cost.dispose();
        return value;
      };
    },
  };
}
