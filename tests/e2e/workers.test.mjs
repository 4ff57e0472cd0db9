// Without a GPU a race is shared among workers, as many as the machine has threads: sooner, and with the same numbers.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TINY, until, withLab } from './page/lab.mjs';
import { everyLearnerHasNumbers, goesOnWhereItWas } from './races.mjs';
import { crashMember, endMemberSilently, overhear, sharing, threads } from './trainer.mjs';

const CPU = { ...TINY, device: 'cpu', learners: 'dense,set@0.2,static@0.3' };
const on = (count) => (lab) => threads(lab.page, count);

/**
 * What must not depend on who trains: of each learner every evaluation and update, and the last word. To 13 digits: whoever reads a number
 * from a message may lose its last.
 */
function numbers(events) {
  const round = (_, value) => (typeof value === 'number' ? Number(value.toPrecision(13)) : value);
  const line = (event) => {
    const [[kind, content]] = Object.entries(event);
    if (kind === 'progress') return null;
    const { seconds, device, device_bytes, ...same } = content;
    for (const learner of same.summary?.learners ?? []) delete learner.ms_per_step;
    return JSON.stringify([kind, same], round);
  };
  return events.map(line).filter(Boolean).sort();
}

test('a shared race gives the numbers of one that is not', async () => {
  const said = [];
  for (const count of [1, 2, 8]) {
    await withLab({ webgpu: 'absent', config: CPU, before: on(count) }, async (lab) => {
      const events = await overhear(lab.page);
      await lab.race();
      const all = await events();
      said.push(numbers(all));
      const workers = count === 1 ? 0 : Math.min(count, 3);
      assert.equal(sharing(lab.page), workers);
      const { name } = all.find((event) => event.started).started.device;
      assert.equal(/in each of (\d) workers/.exec(name)?.[1], workers ? String(workers) : undefined, name);
      // What is asked of all learners comes from all of them.
      await lab.samples.open();
      await lab.samples.images.first().waitFor();
      assert.equal(await lab.samples.count(), 32);
      await lab.inside.open();
      assert.deepEqual(lab.errors, []);
    });
  }
  assert.ok(said[0].length > 8, said[0].join('\n'));
  assert.deepEqual(said[1], said[0]);
  assert.deepEqual(said[2], said[0]);
});

test('a shared race is stepped, held, changed, ended and begun again', async () => {
  await withLab({ webgpu: 'absent', config: { ...CPU, epochs: '400' }, before: on(2) }, async (lab) => {
    await lab.reach('ready');
    await lab.step();
    await lab.reach('paused');
    await lab.stands(/Epoch 0\.\d.*paused/);
    await lab.step('epoch');
    await lab.stands(/Epoch 1\.0 .*paused/);
    await lab.step('update');
    await lab.stands(/Epoch 2\.0 .*paused/);
    await lab.settings.setRateNow(0.01);
    await lab.settings.setDensityNow(0.05);
    await lab.train();
    await lab.reach('training');
    // The worker that has the learner changes it in its next slice.
    await until('the new density', async () => /density 0\.05/.test(await lab.warnings.innerText()));
    await lab.pause();
    await lab.reach('paused');
    const held = await lab.points();
    await lab.page.waitForTimeout(500);
    assert.equal(await lab.points(), held, 'nobody trains on');
    const warnings = await lab.warnings.innerText();
    assert.equal(warnings.match(/[Ll]earning rate 0\.01/g)?.length, 1, warnings);
    await everyLearnerHasNumbers(lab);
    await lab.train();
    await lab.reach('training');
    await lab.reset();
    await lab.reach('ready');
    await until('nobody to be left', () => sharing(lab.page) === 0);
    await lab.train();
    await lab.morePointsThan(0);
    assert.equal(sharing(lab.page), 2);
    assert.deepEqual(lab.errors, []);
  });
});

test('whoever changes his mind is understood: stop behind go on, step behind go on, and train right after a reset', async () => {
  await withLab({ webgpu: 'absent', config: { ...CPU, learners: 'dense,static@0.05+uniform', epochs: '400' }, before: on(2) }, async (lab) => {
    await lab.reach('ready');
    await lab.train();
    await lab.morePointsThan(3);
    await lab.pause();
    await lab.reach('paused');
    // The sparse learner is ahead: the epoch that ends here is behind it.
    await lab.stride.selectOption('epoch');
    const held = await lab.points();
    await lab.hurry('train', 'step');
    // An epoch may be over before anybody looks.
    await lab.morePointsThan(held);
    await lab.reach('paused');
    await lab.hurry('train', 'stop');
    await lab.reach('stopped');
    await lab.page.waitForTimeout(500);
    assert.equal(await lab.phase(), 'stopped');
    await lab.hurry('train', 'reset', 'train');
    await lab.reach('training');
    await lab.morePointsThan(0);
    assert.deepEqual(lab.errors, []);
  });
});

test('a worker that stops ends the race in plain words, and the race goes on where it was kept', async () => {
  await withLab({ config: { ...CPU, learners: 'dense,set@0.2', epochs: '400' }, before: on(2) }, async (lab) => {
    await lab.reach('ready');
    await lab.train();
    await lab.reach('training');
    await lab.runs.keeps();
    await crashMember(lab.page);
    assert.match(await lab.failure(), /A worker that trained a part of the race stopped/);
    await until('nobody to be left', () => sharing(lab.page) === 0);
    await goesOnWhereItWas(lab);
    assert.equal(sharing(lab.page), 2);
    assert.deepEqual(lab.errors.filter((e) => !/provoked/.test(e)), []);
  });
});

test('where there are no locks a worker that ends without a word is missed too, and a new race trains', async () => {
  await withLab({ webgpu: 'absent', config: { ...CPU, learners: 'dense,set@0.2', epochs: '400' }, before: on(2) }, async (lab) => {
    await lab.reach('ready');
    await lab.train();
    await lab.reach('training');
    await lab.morePointsThan(1);
    await endMemberSilently(lab.page);
    await lab.unanswered(40_000);
    await lab.newTrainer.click();
    assert.match(await lab.failure(), /The trainer stopped[^]*did not answer/);
    await until('nobody to be left', () => lab.page.workers().length === 0);
    await lab.goOn('Try again');
    await lab.reach('training');
    await lab.morePointsThan(0);
    assert.equal(sharing(lab.page), 2);
    assert.deepEqual(lab.errors, []);
  });
});
