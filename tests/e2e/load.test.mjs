// The page before its trainer has arrived: it is painted, plays the recorded run, and can be used; then the trainer comes, or does not.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TINY, until, withLab } from './page/lab.mjs';
import { holdBack } from './trainer.mjs';

// A service worker would answer in the server's place.
const fresh = { webgpu: 'no-adapter', context: { serviceWorkers: 'block' } };

/** The page shows the recorded run, which moves, and is all there for a visitor. */
async function isUsable(lab) {
  const { chart, replay, settings } = lab;
  // The race plays: its curves grow, and so does their number of points.
  assert.match(await replay.bar.innerText(), /recorded on .+: not your machine/i);
  const [drawn, points] = [await chart.course('dense'), await chart.points()];
  await until('the curve to grow', async () => (await chart.course('dense')) !== drawn);
  await until('more points', async () => (await chart.points()) > points);
  // It is held, and looked at anywhere.
  await replay.seek(1);
  await lab.says(/leads|told apart/i);
  assert.ok((await lab.numbers.rows()).length >= 2);
  await chart.show('test');
  assert.ok((await chart.drawn()) >= 2);
  await replay.seek(0.2);
  await replay.toggle();
  await replay.playsOn();
  // Places and settings answer.
  for (const place of ['samples', 'bench', 'inside', 'runs', 'lessons', 'ring']) await lab.goTo(place);
  await settings.presets.selectOption('quick-look');
  await settings.setEpochs(3);
  await until('the address to follow', () => /epochs=3/.test(lab.page.url()));
}

test('the page is painted and plays the recorded run before its trainer has arrived; then it trains', async () => {
  let release;
  const before = async (lab) => (release = await holdBack(lab.page, '**/trainer_bg.wasm'));
  await withLab({ ...fresh, before }, async (lab) => {
    await lab.replay.play.waitFor();
    await isUsable(lab);
    await lab.settings.choosePreset(/attack/i);
    await lab.replay.shows('Hard by attack');
    await lab.settings.presets.selectOption('quick-look');
    assert.equal(await lab.phase(), 'starting');
    assert.ok(await lab.trainButton.isDisabled(), 'nobody is there to train');
    await lab.page.keyboard.press('Space');
    assert.equal(await lab.phase(), 'starting');
    release();
    await lab.reach('ready');
    await lab.train();
    await lab.reach('training');
    await lab.replay.play.waitFor({ state: 'detached' });
    await lab.morePointsThan(0);
    assert.deepEqual(lab.errors, []);
  });
});

test('a trainer that cannot be fetched is said; the recorded run plays on, and once the trainer comes it trains', async () => {
  let lose;
  const before = async (lab) => (lose = await holdBack(lab.page, '**/trainer_bg.wasm', (route) => route.abort()));
  await withLab({ ...fresh, before }, async (lab) => {
    await lab.replay.play.waitFor();
    lose();
    assert.match(await lab.failure(30_000), /The trainer stopped[^]*Failed to fetch/);
    await isUsable(lab);
    assert.equal(await lab.phase(), 'failed', 'the failure is said until somebody does something about it');
    await lab.page.unroute('**/trainer_bg.wasm');
    await lab.goOn('Try again');
    await lab.reach('training');
    await lab.replay.play.waitFor({ state: 'detached' });
    await lab.morePointsThan(0);
    assert.deepEqual(lab.errors.filter((e) => !/Failed to fetch|ERR_FAILED/.test(e)), []);
  });
});

test('a trainer whose script cannot be fetched is said, and trains once it comes', async () => {
  // The worker's own file, and what that imports: the browser has no words for either.
  for (const script of ['trainer_loader.js', 'trainer.js']) {
    const before = (lab) => lab.page.route(`**/${script}`, (route) => route.abort());
    await withLab({ ...fresh, config: { ...TINY, device: 'cpu' }, before }, async (lab) => {
      assert.match(await lab.failure(10_000), /The trainer stopped/, script);
      await lab.page.unroute(`**/${script}`);
      await lab.goOn('Try again');
      await lab.reach('finished');
      assert.deepEqual(lab.errors.filter((e) => !/ERR_FAILED/.test(e)), [], script);
    });
  }
});

test('a failure is still said when the recorded run comes after it', async () => {
  let release;
  const before = async (lab) => {
    release = await holdBack(lab.page, '**/runs/builtin.json');
    await lab.page.route('**/trainer_bg.wasm', (route) => route.abort());
  };
  await withLab({ ...fresh, before }, async (lab) => {
    const said = await lab.failure(30_000);
    release();
    await lab.replay.play.waitFor();
    await lab.replay.playsOn();
    assert.equal(await lab.phase(), 'failed');
    assert.equal(await lab.errorPanel.innerText(), said);
  });
});
