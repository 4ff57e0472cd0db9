// What is measured in time. These run by themselves: beside another browser the processor is not theirs.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TINY, withLab } from './page/lab.mjs';
import { watchLongTasks } from './trainer.mjs';

const CPU = { ...TINY, device: 'cpu' };

test('no task of the main thread takes longer than 50 ms while it trains', async () => {
  await withLab({ webgpu: 'no-adapter', config: { ...CPU, limit_train: '256', epochs: '400' } }, async (lab) => {
    await lab.reach('ready');
    await lab.train();
    await lab.reach('training');
    await lab.morePointsThan(2);
    const tasks = await watchLongTasks(lab.page);
    // Several epochs each. Where other programs take the processor a task seems long that is not; what the page itself does too
    // long it does in every window.
    const windows = [];
    do {
      await lab.page.waitForTimeout(4000);
      windows.push(await tasks());
    } while (windows.at(-1).length && windows.length < 5);
    assert.equal(await lab.phase(), 'training');
    assert.deepEqual(windows.at(-1), [], `long tasks by window: ${JSON.stringify(windows)}`);
    assert.deepEqual(lab.errors, []);
  });
});

test('at a tenth of the load the same race takes several times as long', async () => {
  await withLab({ webgpu: 'absent', config: { ...CPU, limit_train: '256' } }, async (lab) => {
    await lab.reach('ready');
    const race = async () => {
      await lab.train();
      await lab.reach('training');
      const began = Date.now();
      await lab.reach('finished');
      return Date.now() - began;
    };
    const full = await race();
    await lab.reset();
    await lab.reach('ready');
    await lab.load.fill('10');
    const tenth = await race();
    assert.ok(tenth > 4 * full, `${full} ms at full load, ${tenth} ms at a tenth of it`);
    assert.deepEqual(lab.errors, []);
  });
});

test('a first visit sees a recorded run play within five seconds, and that it is not its machine', async () => {
  for (const webgpu of ['software', 'absent']) {
    await withLab({ webgpu }, async (lab) => {
      await lab.replay.play.waitFor({ timeout: 5000 });
      await lab.morePointsThan(3, 5000);
      assert.match(await lab.replay.bar.innerText(), /recorded on .+: not your machine/i);
      // Hold holds; the end is everything, with who leads.
      await lab.replay.toggle();
      const held = await lab.points();
      await lab.page.waitForTimeout(500);
      assert.equal(await lab.points(), held);
      await lab.replay.seek(1);
      await lab.morePointsThan(held);
      await lab.says(/leads|told apart/i);
      await lab.replay.seek(0.1);
      assert.ok((await lab.numbers.rows()).length >= 2);
      assert.match(await lab.replay.trainThis.innerText(), /train this/i);
      await lab.reach('ready');
      assert.deepEqual(lab.errors, []);
    });
  }
});
