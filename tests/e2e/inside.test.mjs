// Masks and weights: what is drawn and written is what the events and the worker say.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TINY, withLab } from './page/lab.mjs';
import { overhear } from './trainer.mjs';

const cpu = { webgpu: 'no-adapter', config: { ...TINY, epochs: '3' } };

test('densities are those of the events, and the mask has as many weights as it says', async () => {
  await withLab(cpu, async (lab) => {
    const heard = await overhear(lab.page);
    await lab.race();
    const events = await heard();
    const { inside } = lab;
    await inside.open();

    const learners = events.find((e) => e.started).started.learners;
    const set = learners.findIndex((l) => l.learner.startsWith('set'));
    assert.equal(await inside.learner.inputValue(), String(set), 'the sparse learner comes first');
    const topology = events.filter((e) => e.topology?.learner === set).at(-1).topology.report;
    const rows = await inside.rows();
    assert.equal(rows.length, learners[set].layers.length);
    let [kept, all] = [0, 0];
    rows.forEach(([name, density, erk, active, total], i) => {
      const layer = learners[set].layers[i];
      assert.equal(`${name}.weight`, layer.name);
      assert.equal(total, layer.total);
      assert.equal(active, Math.round(topology.layers[i].density * layer.total));
      assert.ok(Math.abs(density - active / total) <= 0.0005);
      // SET at its start is ERK: only rounding to whole weights lies between.
      assert.ok(Math.abs(erk - density) <= 0.0005 + 1 / total, `${name}: ${density} against ERK's ${erk}`);
      [kept, all] = [kept + active, all + total];
    });
    assert.ok(Math.abs(kept / all - topology.density) < 1e-3);

    const last = events.filter((e) => e.topology_changed?.learner === set).at(-1).topology_changed;
    for (const [i, [name, , , active, total]] of rows.entries()) {
      await inside.layer.selectOption(String(i));
      await inside.says(inside.extent, new RegExp(`^${active.toLocaleString('en-US')} of ${total.toLocaleString('en-US')} weights`));
      const { width, height, counts } = await inside.colours();
      const change = last.layers.find((l) => l.name === `${name}.weight`);
      if (width * height === total) {
        assert.equal(counts[1] + counts[2], active, `${name}: active pixels`);
        assert.equal(counts[4], 0, `${name}: pixels of no colour of the legend`);
        assert.equal(counts[2], change?.grown ?? 0, `${name}: grown`);
        assert.equal(counts[3], change?.pruned ?? 0, `${name}: pruned`);
      }
      if (change) {
        const words = `Update ${last.update}: grown ${change.grown.toLocaleString('en-US')}, pruned ${change.pruned.toLocaleString('en-US')}; `;
        const said = await inside.change.innerText();
        assert.ok(said.startsWith(words), `${said} against ${words}`);
      }
      assert.equal(await inside.counted(), active, `${name}: the histogram counts every weight once`);
    }
    assert.equal(await inside.curves(), 2);

    // The dense learner has weights and no mask.
    await inside.learner.selectOption(String(learners.findIndex((l) => l.learner === 'dense')));
    await lab.says('This learner is dense');
    assert.equal(await inside.densities.count(), 0);
    await inside.drawn();
    assert.deepEqual(lab.errors, []);
  });
});

test('the mask moves with the training', async () => {
  await withLab({ ...cpu, config: { ...TINY, epochs: '300' } }, async (lab) => {
    const { inside } = lab;
    await lab.reach('ready');
    await lab.train();
    await inside.open();
    await inside.says(inside.change, /Update \d+:/);
    const [first, picture] = [await inside.update(), await inside.picture()];
    await inside.says(inside.change, new RegExp(`Update (?!${first}:)\\d+:`));
    assert.ok((await inside.update()) > first);
    await inside.otherPictureThan(picture);
    assert.deepEqual(lab.errors, []);
  });
});

test('the keyboard alone chooses a layer', async () => {
  await withLab(cpu, async (lab) => {
    const { inside } = lab;
    const { keyboard } = lab.page;
    await lab.race();
    await inside.open();
    await inside.layerButton(1).focus();
    await keyboard.press('Enter');
    assert.equal(await inside.layer.inputValue(), '1');
    assert.equal(await inside.isPressed(1), 'true');
    await inside.layer.focus();
    await keyboard.press('ArrowUp');
    assert.equal(await inside.isPressed(0), 'true');
    assert.deepEqual(lab.errors, []);
  });
});

for (const colorScheme of ['light', 'dark']) {
  test(`no accessibility rule is broken inside, ${colorScheme}`, async () => {
    await withLab({ ...cpu, context: { colorScheme, bypassCSP: true } }, async (lab) => {
      await lab.race();
      await lab.inside.open();
      await lab.inside.unfoldNumbers();
      assert.deepEqual(await lab.violations(), []);
    });
  });
}
