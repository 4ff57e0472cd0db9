// A race on each kind of device: a software GPU, the CPU where the browser has no adapter, the CPU where it has no WebGPU; and what
// befalls a GPU.
//
// A software GPU spends half a minute on compiling the convolutions of the tiny network, and a third of that on two linear layers. One
// race has the former; what is asked of the others does not depend on the network.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TINY, until, withLab } from './page/lab.mjs';
import { everyLearnerHasNumbers, goesOnWhereItWas } from './races.mjs';
import { countGpuCalls, holdGpu, runOutOfMemory } from './trainer.mjs';

/** A race of linear layers on the GPU. */
const LINEAR = { ...TINY, dataset: 'builtin-grey', model: 'lenet-300-100', device: 'gpu' };

test('both learners train on the GPU; pause holds the curves, step moves them once, reset empties them', async () => {
  await withLab({ config: { ...LINEAR, epochs: '500' } }, async (lab) => {
    await lab.reach('ready');
    assert.match(await lab.device.facts.innerText(), /webgpu/i);
    await lab.train();
    await lab.reach('training');
    await lab.morePointsThan(await lab.morePointsThan(0));
    await everyLearnerHasNumbers(lab);

    await lab.pause();
    await lab.reach('paused');
    // What was under way when pause was pressed may still arrive; after that, nothing.
    await lab.page.waitForTimeout(1500);
    const held = await lab.points();
    await lab.page.waitForTimeout(1500);
    assert.equal(await lab.points(), held, 'the curves move while paused');

    await lab.step();
    await lab.morePointsThan(held);
    assert.equal(await lab.phase(), 'paused');

    await lab.train();
    await lab.reach('training');
    await lab.morePointsThan(held + 2);

    await lab.reset();
    await lab.reach('ready');
    assert.equal(await lab.points(), 0);
    await lab.train();
    await lab.morePointsThan(0);
    assert.deepEqual(lab.errors, []);
  });
});

test('before the first step of ResNet-20, dense and sparse, the GPU compiles few pipelines', async () => {
  const config = { ...TINY, model: 'resnet20', learners: 'dense,set@0.1', batch_size: '128', device: 'gpu' };
  await withLab({ config }, async (lab) => {
    await lab.reach('ready');
    const counts = await countGpuCalls(lab.page);
    await lab.train();
    await lab.reach('training');
    // Whoever submits has planned all learners.
    const submitted = async () => {
      const now = await counts();
      return now.submits > 0 && now;
    };
    const { pipelines } = await until('the first step', submitted, 60_000);
    assert.ok(pipelines >= 20 && pipelines <= 32, `${pipelines} pipelines`);
    assert.deepEqual(lab.errors, []);
  });
});

test('a race on the GPU comes to its end', async () => {
  await withLab({ config: { ...TINY, width: '0.25', limit_train: '32', limit_test: '16', epochs: '1', device: 'gpu' } }, async (lab) => {
    await lab.reach('ready');
    await lab.train();
    // Emulated: the evaluation at the end of the epoch takes longer than its training.
    await lab.reach('finished', 300_000);
    await everyLearnerHasNumbers(lab);
    assert.deepEqual(lab.errors, []);
  });
});

for (const [webgpu, how] of [
  ['no-adapter', 'where the browser has no adapter'],
  ['absent', 'where the browser has no WebGPU'],
]) {
  test(`the CPU trains to the end ${how}, and the page says so`, async () => {
    await withLab({ webgpu, config: TINY }, async (lab) => {
      await lab.reach('ready');
      const present = await lab.page.evaluate(() => 'gpu' in navigator);
      assert.equal(present, webgpu === 'no-adapter');
      assert.match(await lab.device.facts.innerText(), /cpu/i);
      // A processor is timed before anybody races on it.
      await lab.settings.estimate.filter({ hasText: /at the speed measured here/ }).waitFor();
      await lab.race();
      assert.ok((await lab.points()) > 0);
      assert.match(await lab.settings.estimate.innerText(), /at the speed measured here/);
      await everyLearnerHasNumbers(lab);
      assert.deepEqual(lab.errors, []);
    });
  });
}

test('a GPU that was asked for and is not there is an error with a way on', async () => {
  await withLab({ webgpu: 'no-adapter', config: { ...TINY, device: 'gpu' } }, async (lab) => {
    await lab.failure(60_000);
    assert.equal(await lab.phase(), 'failed');
    await lab.waysOn.first().waitFor();
  });
});

test('a lost device is said, and the CPU goes on', async () => {
  await withLab({ config: { ...LINEAR, learners: 'dense', epochs: '500' } }, async (lab) => {
    await lab.reach('ready');
    const loseGpu = await holdGpu(lab.page);
    await lab.train();
    await lab.reach('training');
    await lab.morePointsThan(0);
    await loseGpu();
    assert.match(await lab.failure(), /The GPU was lost/);
    await lab.goOn('Train on the CPU');
    await lab.reach('training');
    await lab.morePointsThan(0);
  });
});

test('a GPU that was lost costs at most the epoch under way', async () => {
  await withLab({ config: { ...LINEAR, learners: 'set@0.2', epochs: '400', limit_train: '32' } }, async (lab) => {
    await lab.reach('ready');
    const loseGpu = await holdGpu(lab.page);
    await lab.train();
    await lab.reach('training');
    await lab.runs.keeps();
    await loseGpu();
    await goesOnWhereItWas(lab);
    assert.deepEqual(lab.errors, []);
  });
});

test('too little memory is said, and a batch of 32 is offered', async () => {
  await withLab({ config: { ...LINEAR, batch_size: '64', epochs: '1' } }, async (lab) => {
    await lab.reach('ready');
    await runOutOfMemory(lab.page);
    await lab.train();
    assert.match(await lab.failure(), /does not fit the device/);
    await lab.goOn('Use batch 32');
    await lab.reach('training', 240_000);
    assert.match(lab.page.url(), /batch_size=32/);
  });
});
