// How long a training step takes in other web trainers and in our page: node bench.mjs [--steps N] [--rounds N] [--out FILE.json]
// [--dist DIR]. One browser, one adapter, one network, in turns: without the turns a busy minute would fall on one contestant alone,
// and without the same network, which is checked, the times would say nothing.
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { BATCH } from './network.mjs';
import { serveFolder } from './serve.mjs';

const { dependencies: version } = JSON.parse(await readFile(new URL('package.json', import.meta.url), 'utf8'));
const TFJS = `TensorFlow.js ${version['@tensorflow/tfjs-core']}`;
const PEERS = [
  { name: `${TFJS}, its batchNorm`, program: 'tfjs', way: 'stock' },
  { name: `${TFJS}, BatchNorm by hand`, program: 'tfjs', way: 'by hand' },
  { name: `jax-js ${version['@jax-js/jax']}`, program: 'jax' },
];
/** Steps of a contestant before any is timed: then pipelines are compiled and buffers exist. */
const WARM = 2;
/** By how much losses of two peers may differ in the first steps: their sums have another order. */
const SAME = 1e-3;
const FIRST = 10;

const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

/** The peers that train here; of the others it is said why not. */
async function openPeers(browser, openPeer) {
  const peers = [];
  const absent = [];
  for (const peer of PEERS) {
    let open;
    try {
      open = await openPeer(browser, peer);
      await open.steps(WARM);
      peers.push(open);
      console.log(`${peer.name}: trains; ${open.parameters} parameters`);
    } catch (error) {
      await open?.close();
      const [why] = error.message.split('\n');
      absent.push({ name: peer.name, why });
      console.log(`${peer.name}: does not train here, left out. ${why}`);
    }
  }
  return { peers, absent };
}

/** Throws unless everybody has as many parameters as our dense network. */
function checkParameters(peers, parameters) {
  for (const { name, parameters: own } of peers) {
    if (own !== parameters) throw new Error(`${name} has ${own} parameters, our dense network ${parameters}`);
  }
}

/** Throws unless the peers have the same losses, which fall. */
function checkLosses(peers) {
  for (const { name, losses } of peers) {
    // Where a slice is several steps, not every loss is read back.
    const common = [...losses].filter(([step]) => step <= FIRST && peers[0].losses.has(step));
    if (!common.length) throw new Error(`no loss of the first ${FIRST} steps was read back from both ${name} and ${peers[0].name}`);
    for (const [step, loss] of common) {
      const first = peers[0].losses.get(step);
      if (Math.abs(loss - first) > SAME) {
        throw new Error(`after step ${step} the loss of ${name} is ${loss}, that of ${peers[0].name} ${first}`);
      }
    }
    const all = [...losses.values()];
    if (!(all.at(-1) < all[0])) throw new Error(`${name} does not learn: ${all.join(', ')}`);
  }
}

/** Rows of the result: name, ms a step of each round, their median, and how many times our dense and sparse step that is. */
function summary(rounds, ours) {
  return Object.keys(rounds[0]).map((name) => {
    const times = rounds.map((round) => round[name]);
    // Of each round by itself: what slows the machine down slows everybody.
    const over = ours.map((own) => median(rounds.map((round) => round[name] / round[own])));
    return { name, ms: median(times), rounds: times, over: Object.fromEntries(ours.map((own, i) => [own, over[i]])) };
  });
}

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    out: { type: 'string' },
    dist: { type: 'string', default: fileURLToPath(new URL('../../dist', import.meta.url)) },
  },
});
const [steps, count] = [Number(values.steps), Number(values.rounds)];
if (!(steps >= 1 && count >= 1)) throw new Error('--steps and --rounds are numbers of at least 1');
if (!process.env.CHROMIUM) throw new Error('CHROMIUM is not set: name the browser, e.g. CHROMIUM=/usr/bin/chromium');

const server = await serveFolder(values.dist);
// The modules that drive the browser want to know it.
process.env.SPARRING_URL = server.url;
const { launch } = await import('../e2e/browser.mjs');
const { openPeer } = await import('./peer.mjs');
const { openOurs } = await import('./ours.mjs');
const browser = await launch('software');
const opened = [];
try {
  const ours = await openOurs(browser, server.url);
  await ours.round(WARM);
  const [parameters] = await ours.parameters();
  console.log(`ours: trains; ${parameters} parameters dense`);
  const { peers, absent } = await openPeers(browser, openPeer);
  opened.push(...peers);
  checkParameters(peers, parameters);
  checkLosses(peers);

  const rounds = [];
  for (let round = 1; round <= count; round += 1) {
    const times = {};
    (await ours.round()).forEach((ms, i) => (times[ours.names[i]] = ms));
    for (const peer of peers) times[peer.name] = median(await peer.steps(steps));
    rounds.push(times);
    const said = Object.entries(times).map(([name, ms]) => `${name} ${ms.toFixed(0)} ms`);
    console.log(`round ${round}: ${said.join('; ')}`);
  }
  checkLosses(peers);

  const rows = summary(rounds, ours.names);
  const [dense, sparse] = ours.names;
  console.log(`\nmilliseconds a step, median of ${count} rounds (least to most); times our dense step, times our sparse step`);
  for (const { name, ms, rounds: own, over } of rows) {
    const range = `${Math.min(...own).toFixed(0)} to ${Math.max(...own).toFixed(0)}`;
    console.log(`  ${ms.toFixed(0).padStart(6)} (${range}); ${over[dense].toFixed(2)}, ${over[sparse].toFixed(2)}  ${name}`);
  }
  const result = { browser: browser.version(), adapter: 'software', model: 'tiny', batch: BATCH, parameters, steps, rows, absent };
  if (values.out) await writeFile(values.out, `${JSON.stringify(result, null, 2)}\n`);
} finally {
  for (const peer of opened) await peer.close();
  await browser.close();
  server.close();
}
