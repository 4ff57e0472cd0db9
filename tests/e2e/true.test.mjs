// True in every number: what the page says before, of and after a race is of that race and of this device.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TINY, until, withLab } from './page/lab.mjs';

const clipboard = { permissions: ['clipboard-read', 'clipboard-write'] };

test('what a race will take is said of this device, whatever recording or shipped network is on screen', async () => {
  for (const [webgpu, device, said] of [
    ['software', 'gpu', /by a guess/],
    ['no-adapter', 'auto', /at the speed measured here/],
  ]) {
    await withLab({ webgpu }, async (lab) => {
      const { estimate } = lab.settings;
      await lab.reach('ready');
      await lab.replay.playsOn();
      if (device === 'gpu') await lab.device.choice.selectOption(device);
      await estimate.filter({ hasText: said }).waitFor();
      const before = await estimate.innerText();
      await lab.replay.seek(1);
      await lab.page.waitForTimeout(500);
      assert.equal(await estimate.innerText(), before);
      // An emulated GPU takes a minute to open them.
      if (device === 'gpu') return;
      await lab.goTo('samples');
      await lab.reach('finished');
      assert.equal(await estimate.innerText(), before);
      assert.deepEqual(lab.errors, []);
    });
  }
});

test('link, command and hash are of what is on screen, and those of a form that differs say so', async () => {
  await withLab({ webgpu: 'no-adapter', context: clipboard }, async (lab) => {
    const { take, settings } = lab;
    await lab.reach('ready');
    await lab.replay.playsOn();
    assert.equal(new URL(await take.copied(take.link)).search, '');
    assert.match(await take.copied(take.command), /^sparring race .*--dataset builtin .*--epochs 10/);
    assert.equal(await take.formLink.count(), 0);
    const hash = await take.hash.innerText();
    // The form says another one; the recording stays on screen.
    await settings.setEpochs(3);
    await take.formLink.waitFor();
    assert.equal(new URL(await take.copied(take.link)).search, '');
    assert.match(await take.copied(take.command), /--epochs 10/);
    assert.equal(await take.hash.innerText(), hash);
    assert.equal(new URL(await take.copied(take.formLink)).searchParams.get('epochs'), '3');
    assert.match(await take.copied(take.formCommand), /--epochs 3/);
    assert.deepEqual(lab.errors, []);
  });
});

test('a race of one\'s own is what is taken away until another one begins', async () => {
  await withLab({ webgpu: 'no-adapter', config: { ...TINY, device: 'cpu', epochs: '1' }, context: clipboard }, async (lab) => {
    const { take, settings } = lab;
    await lab.race();
    const address = await take.copied(take.link);
    assert.equal(new URL(address).searchParams.get('epochs'), '1');
    await settings.setEpochs(2);
    await take.formLink.waitFor();
    assert.equal(await take.copied(take.link), address);
    await lab.race();
    assert.equal(await take.formLink.count(), 0);
    assert.equal(new URL(await take.copied(take.link)).searchParams.get('epochs'), '2');
    assert.deepEqual(lab.errors, []);
  });
});

test('before the first step the line does not speak of epochs of nothing', async () => {
  await withLab({ webgpu: 'no-adapter', config: { ...TINY, device: 'cpu' } }, async (lab) => {
    await lab.reach('ready');
    const said = await lab.lines();
    await lab.step();
    await lab.stands(/^Epoch \d+\.\d of 2, paused/);
    await lab.train();
    await lab.reach('finished');
    const lines = await said();
    assert.ok(lines.length > 2 && lines.every((line) => !/ of 0\b/.test(line)), lines.join('\n'));
    assert.deepEqual(lab.errors, []);
  });
});

test('a network that does not take the images says so as soon as it is chosen', async () => {
  await withLab({ webgpu: 'no-adapter', config: { device: 'cpu', dataset: 'builtin' } }, async (lab) => {
    const { settings } = lab;
    await lab.reach('ready');
    assert.ok(!(await settings.misfit.isVisible()));
    await settings.chooseModel('LeNet-5');
    await settings.misfit.waitFor();
    assert.match(await settings.misfit.innerText(), /^This cannot be trained: LeNet-5[^]* takes 28x28 images of one channel, but these have 32x32 and 3/);
    await settings.model.selectOption('tiny');
    await until('no complaint', async () => !(await settings.misfit.isVisible()));
    assert.deepEqual(lab.errors, []);
  });
});
