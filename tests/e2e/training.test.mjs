// A whole race in the page: on the software GPU, without an adapter, and without WebGPU.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TINY, withLab } from './lab.mjs';

test('both learners train on the GPU; pause holds the curves, step moves them once, reset empties them', async () => {
  await withLab({ config: { ...TINY, epochs: '500', device: 'gpu' } }, async (lab) => {
    await lab.reach('ready');
    assert.match(await lab.deviceLine.innerText(), /webgpu/i);
    await lab.trainButton.click();
    await lab.reach('training');
    await lab.morePointsThan(await lab.morePointsThan(0));
    assertLearners(await lab.rows());

    await lab.pauseButton.click();
    await lab.reach('paused');
    // What was under way when pause was pressed may still arrive; after that, nothing.
    await lab.page.waitForTimeout(1500);
    const held = await lab.points();
    await lab.page.waitForTimeout(1500);
    assert.equal(await lab.points(), held, 'the curves move while paused');

    await lab.stepButton.click();
    await lab.morePointsThan(held);
    assert.equal(await lab.phase(), 'paused');

    await lab.trainButton.click();
    await lab.reach('training');
    await lab.morePointsThan(held + 2);

    await lab.resetButton.click();
    await lab.reach('ready');
    assert.equal(await lab.points(), 0);
    await lab.trainButton.click();
    await lab.morePointsThan(0);
    assert.deepEqual(lab.errors, []);
  });
});

test('a race on the GPU comes to its end', async () => {
  await withLab({ config: { ...TINY, epochs: '1', device: 'gpu' } }, async (lab) => {
    await lab.reach('ready');
    await lab.trainButton.click();
    // Emulated: the evaluation at the end of the epoch takes longer than its training.
    await lab.reach('finished', 300_000);
    assertLearners(await lab.rows());
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
      assert.match(await lab.deviceLine.innerText(), /cpu/i);
      await lab.trainButton.click();
      await lab.reach('finished');
      assert.ok((await lab.points()) > 0);
      assertLearners(await lab.rows());
      assert.deepEqual(lab.errors, []);
    });
  });
}

test('a GPU that was asked for and is not there is an error with a way on', async () => {
  await withLab({ webgpu: 'no-adapter', config: { ...TINY, device: 'gpu' } }, async (lab) => {
    await lab.errorPanel.waitFor({ timeout: 60_000 });
    assert.equal(await lab.phase(), 'failed');
    await lab.errorPanel.getByRole('button').first().waitFor();
  });
});

function assertLearners(rows) {
  assert.ok(rows.length >= 2, `two learners have a row each, found ${JSON.stringify(rows)}`);
  const text = JSON.stringify(rows);
  assert.match(text, /dense/i);
  assert.match(text, /set/i);
  assert.doesNotMatch(text, /NaN|Infinity|undefined/);
}
