// The first second on a slow line: the static shell is painted at once, nothing is fetched twice, and the page takes its place without a
// jump. By itself, like all that measures time.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { withLab } from './page/lab.mjs';
import { firstPaint, inFront, moved, slowLine } from './line.mjs';
import { holdBack, kept } from './trainer.mjs';

const SIZES = { desktop: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };
const fresh = { webgpu: 'no-adapter' };

/** A place of the page may be off by so many pixels from its place in the shell: where text is as wide as its box, browsers round. */
const NEAR = 1;
/** Of all that moves until the recorded run has played for seconds: what the browser's makers call good is below 0.1. */
const STILL = 0.02;

test('on a slow line something is seen within a second, and the recorded run plays after it', async () => {
  await withLab({ ...fresh, before: (lab) => slowLine(lab.page) }, async (lab) => {
    const painted = await firstPaint(lab.page);
    assert.ok(painted < 1000, `first contentful paint after ${painted} ms`);
    await lab.replay.play.waitFor();
    const played = await lab.page.evaluate(() => Math.round(performance.now()));
    console.log(`painted after ${painted} ms, plays after ${played} ms`);
    assert.deepEqual(lab.errors, []);
  });
});

test('nothing is fetched twice on a first visit, and what is kept for offline not before the page is ready', async () => {
  await inFront({}, async (address, asked) => {
    await withLab({ ...fresh, at: () => address }, async (lab) => {
      await lab.reach('ready');
      await kept(lab.page);
      const twice = (files) => files.map((file) => file.path).filter((path, i, all) => all.indexOf(path) !== i);
      const keeping = asked.findIndex((file) => file.path === '/sw.js');
      const first = asked.slice(0, keeping);
      assert.deepEqual(twice(first), [], 'asked for twice');
      for (const file of ['/page_bg.wasm', '/trainer_bg.wasm', '/runs/builtin.json']) assert.ok(first.some((f) => f.path === file), file);
      // What is kept is asked for once more: the browser has it, and the server says so.
      assert.deepEqual(twice(asked.filter((file) => file.bytes > 0)), [], 'sent twice');
      const sum = (files) => files.reduce((bytes, file) => bytes + file.bytes, 0);
      console.log(`${sum(first)} bytes until it is ready, ${sum(asked.slice(keeping))} more for offline`);
      assert.deepEqual(lab.errors, []);
    });
  });
});

for (const [name, viewport] of Object.entries(SIZES)) {
  test(`the page takes the shell's place without a jump, ${name}`, async () => {
    let release;
    const before = async (lab) => (release = await holdBack(lab.page, '**/page_bg.wasm'));
    await withLab({ ...fresh, context: { viewport, serviceWorkers: 'block' }, before, form: false }, async (lab) => {
      const { shell } = lab;
      await shell.itself.waitFor();
      assert.ok((await shell.curves.count()) >= 2, 'the recorded curves are drawn');
      const there = await shell.boxes();
      release();
      await shell.gone();
      await lab.replay.toggle();
      const here = await shell.boxes();
      const off = Object.keys(there).filter((part) => there[part].split(' ').some((n, i) => Math.abs(n - here[part].split(' ')[i]) > NEAR));
      assert.deepEqual(off.map((part) => `${part}: ${there[part]} in the shell, ${here[part]} in the page`), []);
      await lab.replay.toggle();
      await lab.reach('ready');
      await lab.page.waitForTimeout(6000);
      const { score, what } = await moved(lab.page);
      assert.ok(score < STILL, `moved by ${score}:\n${what.join('\n')}`);
      assert.deepEqual(lab.errors, []);
    });
  });
}
