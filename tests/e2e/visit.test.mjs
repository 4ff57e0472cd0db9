// A first visit: something to see within seconds, something to do within a minute, and nothing of it needs data, a GPU or training.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { serveCifar10 } from './cifar10.mjs';
import { TINY, until, withLab } from './page/lab.mjs';

/** A server that has no trained networks, and no copy of theirs in the browser. */
const without = {
  context: { serviceWorkers: 'block' },
  before: (lab) => lab.page.route('**/trained/**', (route) => route.fulfill({ status: 404, body: 'none' })),
};

test('a first visit sees hard images lie with who is right, and its sentence is the run on screen', async () => {
  await withLab({ webgpu: 'no-adapter', form: false }, async (lab) => {
    const { settings, watched } = lab;
    await lab.replay.shows('Hardest of the built-in set');
    assert.equal(await settings.said(), 'SET | 0.2 | ResNet-20 | the hardest 50% | Built-in set | 10 epochs');
    assert.equal(await settings.differs.isVisible(), false, 'the form is the run on screen');
    await until('pictures', async () => (await watched.pictures.count()) === 24);
    await lab.replay.seek(1);
    const groups = await watched.groups();
    assert.ok((groups['SET 0.2 alone is right'] ?? 0) + (groups['Dense alone is right'] ?? 0) > 0, JSON.stringify(groups));
    assert.equal(new URL(lab.page.url()).search, '', 'it needs no name');
    // Another experiment has one, the defaults too.
    await settings.say('epochs', '5');
    await lab.page.waitForURL(/epochs=5/);
    await settings.differs.waitFor();
    await settings.takeShown.click();
    await lab.page.waitForURL((url) => url.search === '');
    assert.deepEqual(lab.errors, []);
  });
});

test('samples, bench and inside have networks to look at before anybody trained', async () => {
  await withLab({ webgpu: 'no-adapter' }, async (lab) => {
    const { samples, bench, inside } = lab;
    await lab.reach('ready');
    await samples.open();
    await lab.whose(/come with the page: Hardest of the built-in set, trained on/);
    await until('images', async () => (await samples.images.count()) > 20);
    assert.equal(await samples.count(), 500);
    await samples.pictures(32);
    await bench.open();
    assert.match(await bench.sentence.innerText(), /^Dense (rightly|wrongly) says .+; SET 0\.2 (rightly|wrongly) says /);
    await inside.open();
    const rows = await inside.rows();
    const [active, total] = rows.reduce(([a, t], row) => [a + row.at(-2), t + row.at(-1)], [0, 0]);
    assert.ok(rows.length === 20 && Math.abs(active / total - 0.2) < 0.005, `${active} of ${total}`);
    // They are at the end of their race, which was run elsewhere.
    await lab.goTo('ring');
    assert.equal(await lab.phase(), 'finished');
    await lab.says(/Measured on .+, when this run was trained/);
    assert.doesNotMatch(await lab.device.facts.innerText(), /Memory in use/);
    // The race can be watched again meanwhile, and is at its end where they are looked at.
    await lab.replay.shows('Hardest of the built-in set');
    assert.equal(await lab.replay.at(), 1);
    await lab.replay.seek(0.3);
    assert.doesNotMatch(await lab.status.innerText(), /bell/);
    await lab.replay.toggle();
    await lab.replay.playsOn();
    await samples.open();
    await until('images', async () => (await samples.images.count()) > 20);
    assert.equal(await lab.replay.at(), 1);
    // Who plays it there sees it in the ring: masks and answers are of its end.
    await lab.replay.toggle();
    await until('the ring', async () => (await lab.place()) === 'ring');
    await lab.replay.playsOn();
    // Whoever resets wants nothing on screen.
    await lab.reset();
    await lab.goTo('samples');
    await lab.trainHere.waitFor();
    assert.deepEqual(lab.errors, []);
  });
});

test('what a visitor sees of the networks that ship is what their race had said at its end', async () => {
  await withLab({ webgpu: 'no-adapter' }, async (lab) => {
    const { samples } = lab;
    await lab.reach('ready');
    await samples.open();
    await until('answers', async () => (await samples.images.count()) > 20);
    await samples.who.selectOption('everybody');
    const both = await samples.count();
    await samples.who.selectOption('dense');
    const dense = both + (await samples.count());
    await lab.goTo('ring');
    await lab.chart.show('test');
    // The key is of all seeds, the table of the one whose networks these are.
    const said = Number((await lab.chart.rows())[0][2].match(/(\d+\.\d)%/)[1]);
    // Of 500 images; weights are rounded to bfloat16, which turns a few answers.
    assert.ok(Math.abs(dense / 5 - said) <= 1.0, `${dense / 5}% against ${said}%`);
    assert.deepEqual(lab.errors, []);
  });
});

test('a recorded race has the bands and the sentence of its seeds, at the end and on the way', async () => {
  await withLab({ webgpu: 'no-adapter', form: false }, async (lab) => {
    const { chart, replay, score } = lab;
    await replay.shows('Hardest of the built-in set');
    await replay.toggle();
    await chart.show('hard');
    for (const share of [1, 0.55]) {
      await replay.seek(share);
      await until('bands', async () => (await chart.bands()) === 2);
      const [dense, sparse] = await score.corners();
      assert.match(sparse.caption, /SET 0\.2, hard half of the test set, mean of 3 seeds \(\d+\.\d% to \d+\.\d%\)/);
      const verdict = await score.verdict.innerText();
      const said = Number(verdict.match(/over 3 seeds: .*Dense: ([+-]\d+\.\d) points/)[1]);
      assert.ok(Math.abs(sparse.number - dense.number - said) < 0.11, `${sparse.number} - ${dense.number} is not: ${verdict}`);
    }
    await replay.seek(0);
    assert.equal(await chart.bands(), 0);
    assert.doesNotMatch(await lab.status.innerText(), /Seed/);
    assert.deepEqual(lab.errors, []);
  });
});

test('networks of CIFAR-10 open on a button, and of its pictures only the first are fetched', async () => {
  let server;
  const before = async (lab) => {
    server = await serveCifar10(lab.page, { train: 2000, test: 10_000, per: 1000 });
  };
  await withLab({ webgpu: 'no-adapter', config: { run: 'cifar10' }, context: { serviceWorkers: 'block' }, before }, async (lab) => {
    const { samples, inside, replay } = lab;
    await replay.shows('All of CIFAR-10');
    await lab.reach('ready');
    await samples.open();
    await lab.openHere.waitFor();
    assert.deepEqual(server.asked(), [], 'nothing is fetched before somebody wants it');
    await lab.openHere.click();
    await lab.whose(/come with the page: All of CIFAR-10, trained on/);
    await until('images', async () => (await samples.images.count()) > 20);
    assert.equal(await samples.count(), 1000);
    const asked = server.asked();
    assert.deepEqual(asked, ['cifar10-test-00.bin', 'cifar10-train-00.bin', 'cifar10-train-01.bin', 'manifest.json'], 'the first ones, and as many to validate');
    await replay.shows('All of CIFAR-10');
    await inside.open();
    const rows = await inside.rows();
    const [active, total] = rows.reduce(([a, t], row) => [a + row.at(-2), t + row.at(-1)], [0, 0]);
    assert.ok(total > 250_000 && Math.abs(active / total - 0.2) < 0.005, `${active} of ${total}`);
    // Pictures that are fetched for the ring close nothing.
    await lab.goTo('ring');
    await lab.watched.fetch.click();
    await until('pictures', async () => (await lab.watched.pictures.count()) === 24);
    assert.equal(await lab.phase(), 'finished');
    await samples.open();
    await until('images', async () => (await samples.images.count()) > 20);
    assert.deepEqual(lab.errors.filter((e) => !/404/.test(e)), []);
  });
});

test('where CIFAR-10 does not come its networks stay shut, and the run stays on screen', async () => {
  const before = (lab) => lab.page.route('**/data/**', (route) => route.fulfill({ status: 404, body: 'none' }));
  await withLab({ webgpu: 'no-adapter', config: { run: 'cifar10' }, context: { serviceWorkers: 'block' }, before }, async (lab) => {
    await lab.replay.shows('All of CIFAR-10');
    await lab.reach('ready');
    await lab.goTo('bench');
    await lab.openHere.click();
    await lab.remarks(/CIFAR-10 is not here/);
    await lab.replay.shows('All of CIFAR-10');
    assert.equal(await lab.phase(), 'ready');
    assert.ok(await lab.openHere.isEnabled());
    assert.deepEqual(lab.errors.filter((e) => !/404/.test(e)), []);
  });
});

test('a link opens a recorded run, and every run that ships has one', async () => {
  await withLab({ webgpu: 'no-adapter', config: { run: 'corruption' }, context: { permissions: ['clipboard-read', 'clipboard-write'] } }, async (lab) => {
    const { replay, runs } = lab;
    await replay.shows('Hard by corruption');
    await lab.reach('ready');
    assert.match(await lab.settings.preset(), /own/i);
    assert.equal(new URL(lab.page.url()).search, '?run=corruption');
    await runs.open();
    await runs.press(runs.row('Hard by attack'), 'Copy link');
    await lab.remarks(/copied/);
    const link = new URL(await lab.page.evaluate(() => navigator.clipboard.readText()));
    assert.equal(link.search, '?run=attack');
    assert.deepEqual(lab.errors, []);
  });
});

test('another run that is shown stays on screen in places that look at networks', async () => {
  await withLab({ webgpu: 'no-adapter', config: { run: 'corruption' } }, async (lab) => {
    await lab.replay.shows('Hard by corruption');
    await lab.reach('ready');
    await lab.goTo('inside');
    await lab.trainHere.waitFor();
    await lab.page.waitForTimeout(1000);
    assert.equal(await lab.phase(), 'ready');
    await lab.replay.shows('Hard by corruption');
    assert.deepEqual(lab.errors, []);
  });
});

test('a run of one\'s own stays on screen there too, though it is of the same set', async () => {
  await withLab({ webgpu: 'no-adapter', config: { ...TINY, device: 'cpu', epochs: '1' } }, async (lab) => {
    const { runs, replay } = lab;
    await lab.race();
    await runs.filesAre(1);
    await lab.reload();
    await runs.open();
    await runs.press(runs.kept, 'Open');
    await replay.shows('Dense against SET 0.2 on Built-in set');
    await lab.goTo('inside');
    await lab.trainHere.waitFor();
    await lab.page.waitForTimeout(1000);
    assert.equal(await lab.phase(), 'ready');
    await replay.shows('Dense against SET 0.2 on Built-in set');
    assert.deepEqual(lab.errors, []);
  });
});

test('where no trained networks come, the place says so and trains', async () => {
  await withLab({ webgpu: 'no-adapter', ...without }, async (lab) => {
    await lab.reach('ready');
    await lab.goTo('samples');
    await lab.remarks(/The trained networks did not come: .* Networks that are trained here can be looked at all the same/);
    assert.equal(await lab.phase(), 'ready');
    await lab.settings.presets.selectOption('quick-look');
    await lab.trainHere.click();
    await lab.reach('training');
    await until('images', async () => (await lab.samples.images.count()) > 20);
    assert.deepEqual(lab.errors.filter((e) => !/404/.test(e)), []);
  });
});
