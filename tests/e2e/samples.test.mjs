// The samples as a person looks for them: who is right, one image through the epochs, on to the test bench.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TINY, until, withLab } from './page/lab.mjs';

const CONFIG = { ...TINY, device: 'cpu', limit_test: '96', epochs: '3', limit_train: '256' };

test('the gallery finds what one learner gets right and the other wrong, and leads to the bench', async () => {
  await withLab({ webgpu: 'absent', config: CONFIG, context: { bypassCSP: true } }, async (lab) => {
    const { samples } = lab;
    await lab.reach('ready');
    await lab.race();
    await samples.open();
    await samples.images.first().waitFor();
    await lab.says(/of 96 test images, after epoch 3/);
    assert.equal(await samples.images.count(), 36);
    await samples.more.click();
    assert.equal(await samples.images.count(), 72);
    await samples.pictures(32);
    let found = 0;
    for (const [who, sparse, dense] of [['sparse', 1, 0], ['dense', 0, 1], ['everybody', 1, 1], ['nobody', 0, 0]]) {
      await samples.who.selectOption(who);
      found += await samples.count();
      for (const answers of await samples.answers()) assert.deepEqual(answers, { sparse, dense }, who);
    }
    assert.equal(found, 96, 'the four answers share the images out');
    await samples.who.selectOption('all');
    const name = await samples.ofClass(3);
    for (const label of await samples.names()) assert.ok(label.startsWith(name), label);
    await samples.chooseFirst();
    assert.ok((await samples.table()).some((cell) => /\d%/.test(cell)));
    const [, index, of] = (await samples.chosen.innerText()).match(/Test image (\d+): (.+)/);
    assert.equal(of, name);
    assert.deepEqual(await lab.violations(), []);
    // It is the picture that the learners were asked about: the bench shows them the same one.
    const [shown] = await samples.chosenPixels();
    await samples.toBench();
    assert.equal(await lab.bench.index.inputValue(), index);
    await until('the picture on the bench', async () => {
      const { width, bytes } = await lab.bench.before();
      return width === 32 && bytes.join() === shown.join();
    });
    assert.deepEqual(lab.errors, []);
  });
});

test('pictures of the networks that ship are those of their images', async () => {
  await withLab({ webgpu: 'no-adapter' }, async (lab) => {
    const { samples } = lab;
    await lab.reach('ready');
    await samples.open();
    await samples.chooseFirst();
    const [shown] = await samples.chosenPixels();
    await samples.toBench();
    await until('the picture on the bench', async () => {
      const { width, bytes } = await lab.bench.before();
      return width === 32 && bytes.join() === shown.join();
    });
    assert.deepEqual(lab.errors, []);
  });
});

test('a watched image gathers its probabilities epoch by epoch', async () => {
  await withLab({ webgpu: 'absent', config: { ...CONFIG, epochs: '4' } }, async (lab) => {
    const { samples } = lab;
    await lab.reach('ready');
    await samples.open();
    await lab.step('epoch');
    await samples.chooseFirst();
    await samples.followedMoreThan(0);
    const before = await samples.followed();
    await lab.train();
    await lab.reach('finished');
    await samples.followedMoreThan(before);
    assert.deepEqual(lab.errors, []);
  });
});
