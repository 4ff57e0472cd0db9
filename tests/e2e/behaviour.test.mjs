// How the page behaves: keys alone, without a network, and when things go wrong.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { inFront } from './line.mjs';
import { TINY, until, withLab } from './page/lab.mjs';
import { crash, kept, quota, versions } from './trainer.mjs';

const cpu = (config = TINY) => ({ webgpu: 'no-adapter', config: { device: 'cpu', ...config } });

test('keys alone train, hold, step, list themselves and go to places', async () => {
  await withLab(cpu({ ...TINY, epochs: '500' }), async (lab) => {
    const { keyboard } = lab.page;
    await lab.reach('ready');
    await keyboard.press('Space');
    await lab.reach('training');
    await lab.morePointsThan(0);
    await keyboard.press('Space');
    await lab.reach('paused');
    await lab.page.waitForTimeout(300);
    const held = await lab.points();
    await keyboard.press('s');
    await lab.morePointsThan(held);
    for (const [digit, place] of [['2', 'samples'], ['3', 'bench'], ['4', 'inside'], ['5', 'lessons'], ['1', 'ring']]) {
      await keyboard.press(digit);
      await lab.isAt(place);
    }
    await keyboard.press('?');
    await lab.keys.list.waitFor();
    assert.match(await lab.keys.list.innerText(), /Space[\s\S]*Train/);
    await keyboard.press('2');
    assert.equal(await lab.place(), 'ring', 'a key reached through the dialog');
    await keyboard.press('Escape');
    await lab.keys.list.waitFor({ state: 'detached' });
    // Keys of one character can be switched off, and stay so.
    await lab.keys.switchOff();
    await keyboard.press('2');
    await keyboard.press('?');
    assert.equal(await lab.keys.list.count(), 0);
    assert.equal(await lab.place(), 'ring');
    await lab.reload();
    await keyboard.press('2');
    assert.equal(await lab.place(), 'ring');
    assert.deepEqual(lab.errors, []);
  });
});

test('a space in a field or on a button is theirs', async () => {
  await withLab(cpu(), async (lab) => {
    const { keyboard } = lab.page;
    await lab.reach('ready');
    await lab.settings.epochs.focus();
    await keyboard.press('Space');
    await keyboard.press('2');
    await lab.keys.button.focus();
    await keyboard.press('Space');
    await lab.keys.list.waitFor();
    assert.equal(await lab.phase(), 'ready');
    assert.equal(await lab.place(), 'ring');
  });
});

test('what has the focus is seen to have it', async () => {
  await withLab(cpu(), async (lab) => {
    await lab.reach('ready');
    for (let i = 0; i < 25; i += 1) {
      await lab.page.keyboard.press('Tab');
      assert.ok(await lab.focusIsSeen(), `stop ${i + 1} has no visible focus`);
    }
  });
});

test('after the first visit the page opens, trains and teaches without a network', async () => {
  await withLab(cpu(), async (lab) => {
    await lab.reach('ready');
    await kept(lab.page);
    await lab.page.context().setOffline(true);
    await lab.reload();
    await lab.race();
    await lab.goTo('lessons');
    await lab.lessons.entries.nth(3).waitFor();
    assert.deepEqual(lab.errors, []);
  });
});

test('a new version waits, is offered, and takes over whole', async () => {
  let next = false;
  const worker = (text) => (next ? text.replace(/const VERSION = '.*'/, "const VERSION = 'next'") : text);
  await inFront({ '/sw.js': worker }, async (address) => {
    await withLab({ ...cpu(), at: () => address }, async (lab) => {
      await lab.reach('ready');
      await kept(lab.page);
      assert.equal(await lab.newVersion.isVisible(), false, 'the first version offers itself');
      const [old] = await versions(lab.page);
      next = true;
      await lab.page.reload();
      await lab.newVersion.waitFor();
      await lab.reach('ready');
      assert.equal((await versions(lab.page)).length, 2, 'the old version is kept until the new one takes over');
      await lab.newVersion.getByRole('button').click();
      await lab.page.waitForFunction(async (gone) => !(await caches.keys()).includes(gone), old);
      await lab.reach('ready');
      assert.match((await versions(lab.page)).join(), /next/);
      assert.equal(await lab.newVersion.isVisible(), false);
      assert.deepEqual(lab.errors, []);
    });
  });
});

test('under any path of a server the page is whole', async () => {
  await withLab({ ...cpu(), at: (url) => `${url}some/path/` }, async (lab) => {
    await lab.race();
    await kept(lab.page);
    await lab.page.context().setOffline(true);
    await lab.reload();
    assert.deepEqual(lab.errors, []);
  });
});

// What goes wrong, each with its words and a way on.

test('a trainer that crashes is said, keeps what was measured, and a new one trains', async () => {
  await withLab(cpu({ ...TINY, epochs: '500' }), async (lab) => {
    await lab.reach('ready');
    await lab.train();
    await lab.morePointsThan(3);
    const points = await lab.points();
    await crash(lab.page);
    assert.match(await lab.failure(), /The trainer stopped[\s\S]*provoked/);
    assert.ok((await lab.points()) >= points, 'what was measured is gone');
    await lab.goOn('Try again');
    await lab.reach('training');
    await lab.morePointsThan(0);
    assert.deepEqual(lab.errors.filter((e) => !e.includes('provoked')), []);
  });
});

test('without a network a dataset that is not here is said, and the built-in set trains', async () => {
  await withLab(cpu({ ...TINY, dataset: 'cifar10' }), async (lab) => {
    await lab.reach('ready');
    await lab.page.context().setOffline(true);
    await lab.train();
    assert.match(await lab.failure(), /download broke off/);
    await lab.goOn('Use the built-in set');
    await lab.reach('finished');
  });
});

test('a browser without room says so, and the race comes to its end', async () => {
  await withLab(cpu({ ...TINY, dataset: 'builtin-grey', model: 'lenet-300-100', subset: 'el2n-hard:0.5' }), async (lab) => {
    await lab.reach('ready');
    await quota(lab.page, 1);
    await lab.race();
    await lab.says('This browser keeps no more files');
    assert.deepEqual(lab.errors, []);
  });
});

test('a corrupt dropped file is refused in words, and a race trains after it', async () => {
  await withLab(cpu({ ...TINY, dataset: 'cifar10' }), async (lab) => {
    await lab.reach('ready');
    await lab.settings.bringArchive('cifar-10-binary.tar.gz', 'no archive at all');
    await lab.remarks(/cifar-10-binary\.tar\.gz/);
    await lab.settings.say('dataset', 'builtin');
    await lab.race();
    // What was trained is still there after another one.
    await lab.drop('cifar.tar.gz', 'no archive at all');
    await lab.remarks(/: cifar\.tar\.gz/);
    assert.equal(await lab.phase(), 'finished');
    await lab.samples.open();
    await until('images', async () => (await lab.samples.images.count()) > 20);
  });
});

test('a malformed link is said, and the settings are there', async () => {
  await withLab({ config: { learners: 'dense,magic@2' } }, async (lab) => {
    assert.match(await lab.failure(), /This link cannot be read[\s\S]*magic/);
    await lab.goOn('Back to the settings');
    await lab.reach('ready');
    assert.deepEqual(lab.errors, []);
  });
});
