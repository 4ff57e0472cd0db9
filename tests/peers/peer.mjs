// A peer: its program in a page of its own, and the time of its steps.
// It is timed as our trainer times itself (core/src/train/learner.rs): as many steps as fit into a slice are queued, then a number is
// read back, so that the GPU has finished them; a peer that is slower than a slice reads the loss back after every step.
import { watchErrors } from '../e2e/browser.mjs';
import { servePeer } from './serve.mjs';

/** Milliseconds of a slice, as in core/src/train/session.rs. */
const SLICE = 100;
/** Milliseconds after which a peer is given up. */
const PATIENCE = 1_200_000;

/** Makes the learner in the page. */
const begin = (way) =>
  import('/peer.js').then(async ({ learner }) => {
    window.learner = await learner(way);
    return window.learner.parameters;
  });

/** At least so many steps in the page: milliseconds of each (the mean of its slice), and [step, loss] at the end of each slice. */
async function run([steps, slice]) {
  const [times, losses] = [[], []];
  while (times.length < steps) {
    const count = Math.max(1, Math.floor(slice / (times.at(-1) ?? Infinity)));
    const start = performance.now();
    const unread = Array.from({ length: count }, () => window.learner.step());
    const loss = await unread.pop()();
    const each = (performance.now() - start) / count;
    // All done by now: these cost nothing any more.
    for (const read of unread) await read();
    times.push(...Array(count).fill(each));
    losses.push([times.length, loss]);
  }
  return { times, losses };
}

/** What comes of it, unless it takes too long. */
function within(milliseconds, work) {
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error(`no answer within ${milliseconds / 1000} s`)), milliseconds);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** Opens a peer in this browser. */
export async function openPeer(browser, { name, program, way }) {
  const server = await servePeer(program);
  const context = await browser.newContext();
  const close = async () => {
    await context.close();
    server.close();
  };
  try {
    const page = await context.newPage();
    const errors = watchErrors(page);
    await page.goto(server.url);
    const parameters = await page.evaluate(begin, way);
    const losses = new Map();
    let done = 0;
    return {
      name,
      parameters,
      /** Losses by the number of steps, one at the end of each slice. */
      losses,
      close,
      async steps(count) {
        await page.bringToFront();
        const ran = await within(PATIENCE, page.evaluate(run, [count, SLICE]));
        if (errors.length) throw new Error(errors.join('\n'));
        for (const [step, loss] of ran.losses) {
          if (!Number.isFinite(loss)) throw new Error(`its loss after step ${done + step} is ${loss}`);
          losses.set(done + step, loss);
        }
        done += ran.times.length;
        return ran.times;
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}
