// Our page trains the network, dense and sparse, as a visitor's browser does.
// What is read is the time that the page itself shows, the median of the last slices of each learner; a round is long enough that all
// of those are its own. Both learners take turns in one race, so what else the machine does falls on both.
import { watchErrors } from '../e2e/browser.mjs';
import { Lab } from '../e2e/page/lab.mjs';
import { BATCH, LR, MOMENTUM } from './network.mjs';

export const LEARNERS = ['dense', 'set@0.1+uniform'];
/** Slices that the page's median is of: `RECENT` in core/src/train/learner.rs. A round has one more of each learner, to be sure. */
const RECENT = 15;
/** Milliseconds that a round may take, pipelines of a software GPU included. */
const PATIENCE = 1_200_000;
/** Nothing that peers do not do, but that each step has other images. No epoch ends within a few rounds. */
const CONFIG = {
  dataset: 'builtin',
  model: 'tiny',
  subset: 'all',
  control: 'false',
  learners: LEARNERS.join(),
  limit_train: '0',
  limit_test: '64',
  batch_size: String(BATCH),
  epochs: '1000',
  optimizer: 'sgd',
  lr: String(LR),
  momentum: String(MOMENTUM),
  nesterov: 'false',
  weight_decay: '0',
  augment: 'false',
  device: 'gpu',
};

const number = (text) => Number(text.replaceAll(',', ''));

/** Opens the page that is served at `url`. */
export async function openOurs(browser, url) {
  const context = await browser.newContext({ serviceWorkers: 'block' });
  const page = await context.newPage();
  const lab = new Lab(page, watchErrors(page));
  await page.goto(`${url}?${new URLSearchParams(CONFIG)}`);
  await lab.reach('ready');
  const row = async (name) => (await lab.numbers.row(name)).map(number);
  return {
    names: LEARNERS,
    close: () => context.close(),
    /** Parameters of each learner, once it has trained. */
    parameters: () => row('Parameters'),
    /** Trains; milliseconds a step of each learner, all from this round where it has a whole round's slices. */
    async round(slices = RECENT + 1) {
      await page.bringToFront();
      const enough = (await lab.points()) + LEARNERS.length * slices;
      await lab.train();
      await lab.reach('training');
      await lab.morePointsThan(enough - 1, PATIENCE);
      await lab.pause();
      await lab.reach('paused');
      if (lab.errors.length) throw new Error(lab.errors.join('\n'));
      return row('ms a step');
    },
  };
}
