// The ring as a person plays with it: scenarios, steps, changes while it trains, the chart, several seeds.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TINY, until, withLab } from './page/lab.mjs';
import { holdBack } from './trainer.mjs';

const CPU = { ...TINY, device: 'cpu' };

test('a scenario asks for what it needs, and its race is judged by it', async () => {
  await withLab({ webgpu: 'absent', config: CPU }, async (lab) => {
    const { settings } = lab;
    await lab.reach('ready');
    assert.equal(await settings.corruption.isVisible(), false);
    await settings.scenario.selectOption('corruption');
    assert.ok(await settings.corruption.isVisible());
    await settings.corruption.selectOption('gaussian-noise');
    await lab.race();
    assert.equal(await lab.chart.series(), 'Corrupted');
    assert.match(await lab.score.board.innerText(), /corrupted test set/);
    await settings.scenario.selectOption('attack');
    assert.equal(await settings.corruption.isVisible(), false, 'one scenario takes the place of another');
    assert.match(lab.page.url(), /norm=linf/);
    assert.doesNotMatch(lab.page.url(), /corruption=/);
    assert.deepEqual(lab.errors, []);
  });
});

test('steps go one batch, one epoch, or to the next mask update', async () => {
  await withLab({ webgpu: 'absent', config: { ...CPU, epochs: '4', update_frequency: '2' } }, async (lab) => {
    await lab.reach('ready');
    await lab.step();
    await lab.reach('paused');
    await lab.stands(/Epoch 0\.2.*paused/);
    await lab.step('epoch');
    await lab.stands(/Epoch 1\.0 .*paused/);
    await lab.step('update');
    await lab.stands(/Epoch 2\.0 .*mask update 1.*paused/);
    await lab.train();
    await lab.reach('finished');
    assert.deepEqual(lab.errors, []);
  });
});

test('learning rate and density may be changed while it trains, and the race says so', async () => {
  await withLab({ webgpu: 'absent', config: CPU }, async (lab) => {
    await lab.reach('ready');
    await lab.step('epoch');
    await lab.stands(/Epoch 1\.0 .*paused/);
    await lab.settings.setDensityNow(0.05);
    await lab.settings.setRateNow(0.01);
    await lab.train();
    await lab.reach('finished');
    const said = await lab.warnings.innerText();
    assert.match(said, /SET 0\.2: density 0\.05, from epoch 1\.0 on/);
    assert.match(said, /[Ll]earning rate 0\.01, from epoch 1\.0 on/);
    assert.equal((await lab.numbers.row('True density'))[1], '0.050');
    assert.deepEqual(lab.errors, []);
  });
});

test('a chart says why it is empty: nobody trains, no epoch has ended, or it is not measured', async () => {
  await withLab({ webgpu: 'absent', config: { ...CPU, epochs: '3' } }, async (lab) => {
    const { chart } = lab;
    /** Waits for the words in the chart; without any, for none. */
    const says = async (words) => {
      await until(`'${words}' in the chart`, async () => (await chart.why()) === words);
      // Words stand where the curves would, never both.
      assert.equal((await chart.drawn()) > 0, words === '', words);
    };
    await lab.reach('ready');
    await says('Press Train and the curves grow here.');
    for (const series of ['loss', 'test', 'gap']) {
      await chart.show(series);
      await says('Press Train and the curves grow here.');
    }
    // One batch of four: steps are reported, and nothing has been evaluated.
    await lab.step('batch');
    await lab.reach('paused');
    for (const series of ['test', 'gap']) {
      await chart.show(series);
      await says('This is measured at the end of each epoch; Train and Loss move before.');
    }
    await lab.step('epoch');
    await lab.stands(/Epoch 1\.0 .*paused/);
    for (const series of ['test', 'gap', 'loss']) {
      await chart.show(series);
      await says('');
    }
    // Without scores of the images there are no halves by difficulty.
    await chart.show('hard');
    await says('This race does not measure this.');
    await lab.reset();
    await lab.reach('ready');
    await says('Press Train and the curves grow here.');
    assert.deepEqual(lab.errors, []);
  });
});

test('a chart says that the first steps are under way', async () => {
  // The images do not come: a race has begun, and nobody has a step behind him.
  const before = (lab) => holdBack(lab.page, '**/data/**');
  await withLab({ webgpu: 'absent', config: { ...CPU, dataset: 'cifar10' }, before }, async (lab) => {
    await lab.reach('ready');
    await lab.train();
    await until('the words', async () => (await lab.chart.why()) === 'The first steps are under way.');
    await lab.chart.show('test');
    await until('the words', async () => /at the end of each epoch/.test(await lab.chart.why()));
    assert.deepEqual(lab.errors, []);
  });
});

test('without a dense learner there is no gap, and the chart says so', async () => {
  await withLab({ webgpu: 'absent', config: { ...CPU, learners: 'set@0.2', epochs: '1' } }, async (lab) => {
    const { chart } = lab;
    await lab.race();
    await chart.show('gap');
    await until('the words', async () => (await chart.why()) === 'There is no dense learner to compare with.', 5000);
    assert.equal(await chart.drawn(), 0);
    assert.deepEqual(lab.errors, []);
  });
});

test('the chart zooms, smooths, takes logarithms and shows the gap', async () => {
  await withLab({ webgpu: 'absent', config: CPU }, async (lab) => {
    const { chart } = lab;
    await lab.race();
    await chart.show('loss');
    const plain = await chart.course('sparse');
    await chart.smoothing.fill('90');
    const smooth = await chart.course('sparse');
    assert.notEqual(smooth, plain);
    await chart.logarithm.click();
    assert.notEqual(await chart.course('sparse'), smooth);
    await chart.drawing.focus();
    await lab.page.keyboard.press('+');
    await chart.whole.click();
    assert.equal(await chart.whole.isVisible(), false);
    await chart.show('gap');
    assert.match(await chart.key.innerText(), /[+-]\d+\.\d/);
    assert.equal(await chart.lines('dense'), 0);
    await chart.drag(0.4, 0.9);
    assert.ok(await chart.whole.isVisible());
    assert.deepEqual(lab.errors, []);
  });
});

test('several seeds make a band and one sentence', async () => {
  await withLab({ webgpu: 'absent', config: CPU }, async (lab) => {
    await lab.reach('ready');
    await lab.settings.setSeeds(2);
    await lab.train();
    // The interval is Student's t, of one degree of freedom: wide, and never without its ends.
    const number = '[+-]\\d+\\.\\d';
    const verdict = new RegExp(
      `^Judged by accuracy on all test samples, over 2 seeds: SET 0\\.2 .+ Dense: ${number} points \\(95% interval ${number} to ${number}\\)\\.$`,
    );
    await until(`a sentence like ${verdict}`, async () => verdict.test(await lab.score.overSeeds.innerText()), 120_000);
    await lab.reach('finished');
    await lab.chart.show('test');
    assert.equal(await lab.chart.bands(), 2);
    assert.deepEqual(lab.errors, []);
  });
});

test('a wrong number says what would be right and changes nothing; every preset can be chosen', async () => {
  await withLab({ webgpu: 'absent', config: { device: 'cpu' } }, async (lab) => {
    const { settings } = lab;
    await lab.reach('ready');
    await settings.setEpochs(0);
    await lab.says("Epochs: 1 to 1000, not '0'.");
    assert.equal(await settings.epochs.inputValue(), '20');
    const names = await settings.presetNames();
    for (const name of names) {
      await settings.presets.selectOption(name);
      assert.equal(await settings.presets.inputValue(), name);
      assert.match(await settings.estimate.innerText(), /About .* of memory/);
    }
    assert.ok(names.length >= 8);
    await settings.share.fill('30');
    assert.equal(await settings.presets.inputValue(), 'own');
    assert.deepEqual(lab.errors, []);
  });
});
