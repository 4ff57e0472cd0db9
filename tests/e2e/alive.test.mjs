// Never dead, never blank: whatever does not come, ends without a word, or is dropped in the wrong place has its words and a way on.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TINY, until, withLab } from './page/lab.mjs';
import { goesOnWhereItWas } from './races.mjs';
import { endSilently, hang, noLocks } from './trainer.mjs';

const cpu = (config = TINY) => ({ webgpu: 'no-adapter', config: { device: 'cpu', ...config } });

// The page itself does not come.

for (const file of ['page_bg.wasm', 'page.js', 'page_loader.js']) {
  test(`without ${file} the shell says what to do`, async () => {
    const before = (lab) => lab.page.route(`**/${file}`, (route) => route.abort());
    await withLab({ webgpu: 'no-adapter', before }, async (lab) => {
      await lab.shell.failure.waitFor({ timeout: 10_000 });
      assert.match(await lab.shell.failure.innerText(), /The page did not arrive[^]*Reload the page/);
      assert.ok((await lab.shell.curves.count()) > 0, 'the shell is still there');
      await lab.page.unroute(`**/${file}`);
      await lab.shell.reload();
      await lab.reach('ready');
    });
  });
}

test('without WebAssembly the shell says what to do', async () => {
  const before = (lab) => lab.page.addInitScript(() => delete window.WebAssembly);
  await withLab({ webgpu: 'no-adapter', before }, async (lab) => {
    await lab.shell.failure.waitFor({ timeout: 10_000 });
    assert.match(await lab.shell.failure.innerText(), /cannot run the page[^]*Safari from 16\.4[^]*allow it/);
    assert.deepEqual(lab.errors, []);
  });
});

test('without JavaScript the shell says what to do', async () => {
  await withLab({ webgpu: 'no-adapter', context: { javaScriptEnabled: false } }, async (lab) => {
    assert.match(await lab.text(), /hard to learn/, 'what the page is');
    // Chromium without scripts, as a test can have it, leaves out what is for browsers without them.
    assert.match(await (await fetch(lab.page.url())).text(), /<noscript>[^]*JavaScript is switched off[^]*<\/noscript>/);
  });
});

// The trainer ends.

test('a trainer that ends without a word is missed within five seconds, and a new one trains', async () => {
  for (const moment of ['ready', 'training']) {
    await withLab(cpu({ ...TINY, epochs: '500' }), async (lab) => {
      await lab.reach('ready');
      if (moment === 'training') {
        await lab.train();
        await lab.morePointsThan(1);
      }
      await endSilently(lab.page);
      assert.match(await lab.failure(5000), /The trainer stopped[^]*without a word/, moment);
      await lab.goOn('Try again');
      await lab.reach('training');
      await lab.morePointsThan(0);
      assert.deepEqual(lab.errors, []);
    });
  }
});

test('where there are no locks a trainer that ends without a word is missed within five seconds, and a new one trains', async () => {
  for (const setting of [{ webgpu: 'absent' }, { before: (lab) => noLocks(lab.page) }]) {
    await withLab({ ...cpu(), ...setting }, async (lab) => {
      await lab.reach('ready');
      assert.equal(await lab.page.evaluate(() => navigator.locks), undefined);
      await endSilently(lab.page);
      await lab.unanswered(5500);
      await lab.remarks(/The trainer does not answer[^]*start a new one/);
      await lab.newTrainer.click();
      await lab.answers();
      await lab.race();
      assert.deepEqual(lab.errors, []);
    });
  }
});

test('a trainer that hangs is said not to answer, is not ended for it, and trains once it answers', async () => {
  await withLab(cpu(), async (lab) => {
    await lab.reach('ready');
    await hang(lab.page, 8000);
    await lab.unanswered(5500);
    assert.equal(await lab.phase(), 'ready');
    await lab.answers(15_000);
    assert.doesNotMatch(await lab.remark.textContent(), /answer/);
    await lab.race();
    assert.deepEqual(lab.errors, []);
  });
});

test('who does not want to wait for a trainer that hangs ends it, and the race goes on where it was kept', async () => {
  await withLab(cpu({ ...TINY, epochs: '500' }), async (lab) => {
    await lab.reach('ready');
    await lab.train();
    await lab.reach('training');
    await lab.runs.keeps();
    await hang(lab.page, 600_000);
    // A step may take long: while something trains the words come late.
    await lab.page.waitForTimeout(6000);
    assert.equal(await lab.newTrainer.isVisible(), false);
    await lab.unanswered(40_000);
    assert.equal(await lab.phase(), 'training');
    await lab.newTrainer.click();
    assert.match(await lab.failure(), /The trainer stopped[^]*did not answer/);
    await goesOnWhereItWas(lab);
    assert.deepEqual(lab.errors, []);
  });
});

// Keys and files that come by accident.

test('a space holds and plays the recorded run, and never begins a download', async () => {
  await withLab({ webgpu: 'no-adapter' }, async (lab) => {
    const { keyboard } = lab.page;
    const fetched = [];
    lab.page.on('request', (request) => fetched.push(new URL(request.url()).pathname));
    await lab.reach('ready');
    await lab.replay.playsOn();
    await keyboard.press('Space');
    const held = await lab.replay.at();
    await lab.page.waitForTimeout(500);
    assert.equal(await lab.replay.at(), held);
    await keyboard.press('Space');
    await lab.replay.playsOn();
    assert.equal(await lab.phase(), 'ready');
    // Nothing is shown, and the experiment needs CIFAR-10.
    await lab.page.goto(`${lab.page.url().split('?')[0]}?epochs=3`);
    await lab.reach('ready');
    await keyboard.press('Space');
    await lab.says(/A key does not begin that: press Train/);
    assert.equal(await lab.phase(), 'ready');
    assert.deepEqual(fetched.filter((path) => path.includes('/data/')), []);
    // Nor after a race on other images, whose end is on screen.
    await lab.page.goto(`${lab.page.url().split('?')[0]}?${new URLSearchParams({ ...TINY, epochs: '1', device: 'cpu' })}`);
    await lab.race();
    await lab.settings.dataset.selectOption('cifar10');
    await lab.status.click();
    await keyboard.press('Space');
    await lab.says(/A key does not begin that: press Train/);
    assert.equal(await lab.phase(), 'finished');
    assert.deepEqual(fetched.filter((path) => path.includes('/data/')), []);
    assert.deepEqual(lab.errors, []);
  });
});

test('a file that is dropped anywhere is taken or refused in words, and the page stays', async () => {
  await withLab(cpu(), async (lab) => {
    await lab.reach('ready');
    const address = lab.page.url();
    for (const [name, words] of [
      ['thesis.pdf', /thesis\.pdf was not opened: the page takes run files/],
      ['cat.png', /cat\.png was not opened: [^]*test bench/],
      ['train-images-idx3-ubyte', /train-images-idx3-ubyte was not opened: it is of MNIST's form/],
    ]) {
      await lab.drop(name, 'something');
      await lab.remarks(words);
    }
    await lab.closeRemark();
    assert.equal(lab.page.url(), address);
    // A run goes to the runs, from any place.
    await lab.goTo('lessons');
    await lab.drop('notes.json', '{"a":1}');
    await lab.isAt('runs');
    await lab.remarks(/notes\.json was not opened: it is no run/);
    await lab.goTo('ring');
    await lab.drop('cifar.tar.gz', 'no archive at all');
    await lab.remarks(/cifar\.tar\.gz/);
    assert.deepEqual(lab.errors, []);
  });
});

test('an archive that is not CIFAR-10 is refused in words of its own', async () => {
  await withLab(cpu(), async (lab) => {
    const idx = Buffer.from([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 28]);
    const noise = Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919 + (i >> 3)) % 251));
    await lab.reach('ready');
    for (const [name, content, words] of [
      ['train.gz', idx, /train\.gz[^]*MNIST's form[^]*--dataset mnist/],
      ['noise.tar', noise, /noise\.tar[^]*found data of another kind, or damaged/],
      ['empty.tar.gz', Buffer.alloc(0), /empty\.tar\.gz[^]*found/],
    ]) {
      await lab.drop(name, content);
      await lab.remarks(words);
      console.log(`${name}: ${await lab.remark.textContent()}`);
      await lab.closeRemark();
      assert.equal(await lab.phase(), 'ready');
    }
    assert.deepEqual(lab.errors, []);
  });
});

test('a file that is dropped before the page is there is not opened by the browser', async () => {
  const before = (lab) => lab.page.route('**/page_bg.wasm', () => {});
  await withLab({ webgpu: 'no-adapter', before }, async (lab) => {
    await lab.shell.itself.waitFor();
    await lab.drop('thesis.pdf', 'something');
    assert.deepEqual(lab.errors, []);
  });
});

// The address, and other tabs.

test('back and forward keep what was edited', async () => {
  await withLab(cpu(), async (lab) => {
    await lab.reach('ready');
    await lab.goTo('samples');
    await lab.settings.setEpochs(7);
    await lab.page.waitForURL(/epochs=7.*#samples$/);
    await lab.page.goBack();
    await lab.isAt('ring');
    await lab.page.waitForURL(/epochs=7/);
    assert.equal(await lab.settings.epochs.inputValue(), '7');
    await lab.reload();
    assert.equal(await lab.settings.epochs.inputValue(), '7');
    await lab.settings.setEpochs(8);
    await lab.page.goForward();
    await lab.isAt('samples');
    await lab.page.waitForURL(/epochs=8.*#samples$/);
    assert.equal(await lab.settings.epochs.inputValue(), '8');
    assert.deepEqual(lab.errors, []);
  });
});

test('a second tab does not offer to go on with what the first one trains, but does once that is closed', async () => {
  await withLab(cpu({ ...TINY, epochs: '400', limit_train: '32' }), async (lab) => {
    await lab.reach('ready');
    await lab.train();
    await lab.reach('training');
    await lab.runs.keeps();
    const other = await lab.secondTab();
    await other.reach('ready');
    await other.runs.open();
    await other.runs.kept.waitFor();
    assert.equal(await other.replay.resume.count(), 0, 'it trains in the first tab');
    assert.equal(await other.runs.button(other.runs.kept, 'Go on').count(), 0);
    await lab.page.close();
    await other.replay.resume.waitFor({ timeout: 10_000 });
    await other.replay.resume.click();
    await other.reach('training');
    assert.deepEqual([...lab.errors, ...other.errors], []);
  });
});

test('what others add to a link is ignored and said; a slip is refused with what was meant', async () => {
  await withLab({ webgpu: 'no-adapter', config: { utm_source: 'mail', fbclid: 'x' } }, async (lab) => {
    await lab.reach('ready');
    await lab.remarks(/utm_source, fbclid is ignored/);
    await lab.replay.playsOn();
    await lab.page.goto(`${lab.page.url().split('?')[0]}?epoch=3`);
    assert.match(await lab.failure(), /This link cannot be read[^]*'epoch'[^]*'epochs'/);
    assert.deepEqual(lab.errors, []);
  });
});

test('the foot names paper, citation and licences', async () => {
  await withLab({ webgpu: 'no-adapter' }, async (lab) => {
    await lab.reach('ready');
    const { foot } = lab.shell;
    assert.equal(await foot.getByRole('link', { name: 'The paper' }).getAttribute('href'), 'https://arxiv.org/abs/2409.09196');
    await foot.getByText('Cite it').click();
    assert.match(await foot.innerText(), /@inproceedings[^]*Hard Sample Learners/);
    for (const licence of ['MIT', 'Apache-2.0']) {
      const file = await foot.getByRole('link', { name: licence }).evaluate(async (link) => (await fetch(link.href)).text());
      assert.match(file, /licen[sc]e/i, licence);
    }
    await until('the citation', () => foot.getByText('booktitle').isVisible());
    assert.deepEqual(lab.errors, []);
  });
});
