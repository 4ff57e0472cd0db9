// The ring as a person plays with it: scenarios, steps, changes while it trains, the chart, several seeds.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { serveCifar10 } from './cifar10.mjs';
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

test('several seeds make a band, one sentence, and numbers that agree with it', async () => {
  await withLab({ webgpu: 'absent', config: CPU }, async (lab) => {
    await lab.reach('ready');
    await lab.settings.setSeeds(2);
    await lab.train();
    // The interval is Student's t, of one degree of freedom: wide, and never without its ends.
    const number = '[+-]\\d+\\.\\d';
    const verdict = new RegExp(
      `^Judged by accuracy on all test samples, over 2 seeds: SET 0\\.2 .+ Dense: ${number} points \\(95% interval ${number} to ${number}\\)\\.$`,
    );
    await until(`a sentence like ${verdict}`, async () => verdict.test(await lab.score.verdict.innerText()), 120_000);
    await lab.reach('finished');
    await lab.chart.show('test');
    assert.equal(await lab.chart.bands(), 2);
    // The big numbers and the key are the means whose difference the sentence is of.
    const [dense, sparse] = await lab.score.corners();
    assert.match(sparse.caption, /SET 0\.2, test set, mean of 2 seeds \(\d+\.\d% to \d+\.\d%\)/);
    const key = (await lab.chart.key.innerText()).match(/\d+\.\d(?=%)/g).map(Number);
    assert.deepEqual(key, [dense.number, sparse.number]);
    const said = Number((await lab.score.verdict.innerText()).match(/Dense: ([+-]\d+\.\d)/)[1]);
    assert.ok(Math.abs(sparse.number - dense.number - said) < 0.11, `${sparse.number} - ${dense.number} is not ${said}`);
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

test('hard images lie with who is right about them, also where a run is shown again', async () => {
  const sum = (groups) => Object.values(groups).reduce((a, b) => a + b, 0);
  let file;
  await withLab({ config: { ...CPU, difficulty: '0.5', epochs: '3' } }, async (lab) => {
    const { watched, runs } = lab;
    await lab.reach('ready');
    assert.equal(await watched.all.count(), 0, 'nobody has been asked');
    await lab.race();
    const groups = await watched.groups();
    assert.deepEqual(Object.keys(groups), ['Dense alone is right', 'SET 0.2 alone is right', 'Both are right', 'Neither is right']);
    // Of 32 test images 24 are watched. What one of them is right about is its share of them.
    assert.equal(sum(groups), 24);
    await until('the pictures', async () => (await watched.pictures.count()) === 24);
    assert.match(await watched.pictures.first().getAttribute('src'), /^data:image/);
    assert.match(await watched.pictures.first().getAttribute('alt'), /\w+/);
    assert.equal(await watched.networks.count(), 2);
    assert.match(await watched.networks.last().getAttribute('aria-label'), /^SET 0\.2, layer by layer/);
    await runs.open();
    await runs.kept.waitFor();
    file = { ...(await runs.file(runs.button(runs.kept, 'Save file'))), groups };
    assert.deepEqual(lab.errors, []);
  });
  // In another browser nobody trains: the answers are the file's, and the pictures are drawn by code.
  await withLab({ config: CPU }, async (lab) => {
    const { watched, runs, replay } = lab;
    await lab.reach('ready');
    await runs.open();
    await runs.bring([{ name: 'run.json', text: file.text }]);
    await runs.press(runs.brought, 'Open');
    await until('the pictures', async () => (await watched.pictures.count()) === 24);
    await replay.seek(0);
    assert.deepEqual(await watched.groups(), { 'Hard test images': 24 });
    await replay.seek(1);
    assert.deepEqual(await watched.groups(), file.groups);
    assert.deepEqual(lab.errors, []);
  });
});

test('pictures of CIFAR-10 are fetched once they are asked for, and where they do not come the run stays', async () => {
  // A server without CIFAR-10.
  const before = (lab) => lab.page.route('**/data/**', (route) => route.fulfill({ status: 404, body: 'none' }));
  await withLab({ config: CPU, context: { serviceWorkers: 'block' }, before }, async (lab) => {
    const { watched, runs, replay } = lab;
    await lab.reach('ready');
    await lab.race();
    await runs.open();
    await runs.kept.waitFor();
    const run = JSON.parse((await runs.file(runs.button(runs.kept, 'Save file'))).text);
    run.config.dataset = 'cifar10';
    await runs.bring([{ name: 'run.json', text: JSON.stringify(run) }]);
    await runs.press(runs.brought, 'Open');
    await replay.seek(1);
    await watched.fetch.waitFor();
    assert.equal(await watched.pictures.count(), 0);
    assert.equal((await watched.groups())['Hard test images'], undefined, 'who is right is known without them');
    // That they do not come is said, and the run stays on screen.
    await watched.fetch.click();
    await lab.remarks(/CIFAR-10 is not here/);
    assert.equal(await lab.phase(), 'ready');
    assert.ok((await watched.groups())['Neither is right'] >= 0);
    assert.deepEqual(lab.errors.filter((e) => !/404/.test(e)), []);
  });
});

test('of a recorded run of CIFAR-10 only the files with its pictures are fetched', async () => {
  let server;
  const before = async (lab) => {
    server = await serveCifar10(lab.page, { train: 2400, test: 2400, per: 400 });
  };
  await withLab({ webgpu: 'no-adapter', config: { run: 'nature' }, context: { serviceWorkers: 'block' }, before }, async (lab) => {
    const { watched, replay } = lab;
    await lab.reach('ready');
    await replay.shows('Hard by nature');
    await watched.fetch.click();
    await until('pictures', async () => (await watched.pictures.count()) === 24);
    const asked = server.asked();
    assert.ok(asked.length > 1 && asked.every((file) => /^(manifest\.json|cifar10-test-\d+\.bin)$/.test(file)), asked.join(' '));
    await replay.shows('Hard by nature');
    assert.deepEqual(lab.errors.filter((e) => !/404/.test(e)), []);
  });
});

test('a person is asked about ten hard images, and takes a card away', async () => {
  await withLab({ webgpu: 'absent', config: CPU }, async (lab) => {
    const { quiz } = lab;
    await lab.race();
    await quiz.begin.click();
    // An answer has the focus, not the way out.
    await until('the focus on an answer', () => quiz.dialog.evaluate((dialog) => !!document.activeElement.closest('[role=group]') && dialog.contains(document.activeElement)));
    for (let i = 1; i <= 10; i++) {
      assert.match(await quiz.question(), new RegExp(`^${i} of 10`));
      await quiz.say(i % 3);
    }
    assert.match(await quiz.was.innerText(), /^Picture 10 was: \w+[^.]*\. You said [^.]+, (right|wrong); Dense said /);
    assert.match(await quiz.result.innerText(), /^You knew \d+ of 10, Dense \d+, SET 0\.2 \d+\.$/);
    const [file] = await Promise.all([lab.page.waitForEvent('download'), quiz.save.click()]);
    assert.equal(file.suggestedFilename(), 'Would-you-have-known-it-.png');
    await quiz.again.click();
    assert.match(await quiz.question(), /^1 of 10/);
    assert.deepEqual(lab.errors, []);
  });
});

test('the sentence is the experiment: its bold words change it, and the form has all the rest', async () => {
  await withLab({ webgpu: 'absent', config: CPU, form: false }, async (lab) => {
    const { settings } = lab;
    await lab.reach('ready');
    assert.equal(await settings.model.isVisible(), false, 'the form is closed');
    const said = () => settings.said();
    assert.equal(await said(), 'SET | 0.2 | Tiny (three convolutions) | all of them | Built-in set | 2 epochs');
    await settings.say('method', 'rigl');
    await settings.say('density', '0.1');
    await settings.say('subset', 'random:0.5');
    await settings.say('epochs', '5');
    assert.equal(await said(), 'RigL | 0.1 | Tiny (three convolutions) | a random 50% | Built-in set | 5 epochs');
    const { searchParams } = new URL(lab.page.url());
    assert.deepEqual(['learners', 'subset', 'epochs'].map((name) => searchParams.get(name)), ['dense,rigl@0.1', 'random:0.5', '5']);
    await settings.open.click();
    assert.ok(await settings.model.isVisible());
    await lab.page.reload();
    await lab.reach('ready');
    assert.ok(await settings.model.isVisible(), 'this browser remembers that it is open');
    assert.deepEqual(lab.errors, []);
  });
});

test('another experiment on screen than in the sentence is said, and can be taken', async () => {
  await withLab({ webgpu: 'absent', config: CPU }, async (lab) => {
    const { settings } = lab;
    await lab.race();
    assert.equal(await settings.differs.isVisible(), false);
    await settings.say('epochs', '20');
    assert.equal(await settings.differs.innerText(), 'The race on screen is another one. Epochs: 2.');
    await settings.takeShown.click();
    assert.equal(new URL(lab.page.url()).searchParams.get('epochs'), '2');
    assert.equal(await settings.differs.isVisible(), false);
  });
});
