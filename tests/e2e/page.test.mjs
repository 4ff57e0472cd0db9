// The page by itself: it loads, says what it will do, is usable without a mouse, and breaks no accessibility rule.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TINY, until, withLab } from './page/lab.mjs';

/** What stands over each place. */
const HEADINGS = { ring: /ring/i, samples: /samples/i, bench: /bench/i, inside: /inside/i, lessons: /lessons/i, findings: /findings/i, runs: /runs/i };

test('the page loads with the first visit\'s preset chosen and no error', async () => {
  await withLab({}, async (lab) => {
    await lab.reach('ready');
    assert.equal(await lab.settings.preset(), 'Hardest of the built-in set');
    assert.ok(await lab.trainButton.isEnabled());
    assert.match(await lab.device.facts.innerText(), /\S/);
    assert.deepEqual(lab.errors, []);
  });
});

test('a link with a mistake is said in words, not a blank page', async () => {
  await withLab({ config: { model: 'resnet21' } }, async (lab) => {
    await lab.says('resnet21');
    assert.deepEqual(lab.errors, []);
  });
});

test('a setting that is changed in another place leaves the visitor there, also after a reload', async () => {
  await withLab({ config: TINY }, async (lab) => {
    await lab.reach('ready');
    await lab.goTo('bench');
    await lab.settings.setEpochs(7);
    await lab.page.waitForURL(/epochs=7.*#bench$/);
    await lab.reload();
    assert.equal(await lab.way('bench').getAttribute('aria-current'), 'page');
    assert.equal(await lab.settings.epochs.inputValue(), '7');
    assert.deepEqual(lab.errors, []);
  });
});

test('per cent stands behind its number without a space, in every place', async () => {
  await withLab({ config: { ...TINY, device: 'cpu' } }, async (lab) => {
    await lab.race();
    for (const [place, words] of [
      ['ring', /\d\.\d%/],
      ['samples', /of 32 test images/],
      ['bench', /says .*\(\d+%\)/],
      ['inside', /weights/],
      ['lessons', /Begin/],
      ['runs', /Kept here/],
    ]) {
      await lab.goTo(place);
      await lab.says(words);
      const apart = (await lab.text()).match(/.{0,20}\d\s%.{0,20}/g) ?? [];
      assert.deepEqual(apart, [], place);
    }
    assert.deepEqual(lab.errors, []);
  });
});

test('learners and images are called in words, in every place', async () => {
  const learners = 'dense,gmp@0.3,static@0.2+uniform,set@0.5+masked';
  await withLab({ config: { ...TINY, device: 'cpu', learners, subset: 'random:0.5' } }, async (lab) => {
    await lab.race();
    for (const place of ['ring', 'samples', 'bench', 'inside', 'lessons', 'runs', 'findings']) {
      await lab.goTo(place);
      if (place === 'runs') {
        await lab.runs.kept.waitFor();
        await lab.runs.kept.getByRole('checkbox').check();
      }
      // An address has the names that a link has.
      const text = (await lab.text()).replace(/https?:\S+/g, '');
      const named = text.match(/.{0,30}(\w@\d|(el2n|random)(-\w+)?:\d|p_data|\+uniform).{0,20}/gi) ?? [];
      assert.deepEqual(named, [], place);
    }
  });
});

test('the keyboard alone starts, pauses and resets a race', async () => {
  await withLab({ config: { ...TINY, epochs: '500' } }, async (lab) => {
    const { keyboard } = lab.page;
    await lab.reach('ready');
    await lab.tabTo(lab.trainButton);
    await keyboard.press('Enter');
    await lab.reach('training');
    await lab.morePointsThan(0);
    await lab.tabTo(lab.pauseButton);
    await keyboard.press('Space');
    await lab.reach('paused');
    await lab.tabTo(lab.resetButton);
    await keyboard.press('Enter');
    await lab.reach('ready');
    assert.equal(await lab.points(), 0);
    assert.deepEqual(lab.errors, []);
  });
});

test('keys get to the chart in three strokes, and each place has its heading and its title', async () => {
  await withLab({ config: { ...TINY, device: 'cpu' } }, async (lab) => {
    const { keyboard } = lab.page;
    await lab.reach('ready');
    const titles = new Set();
    for (const place of Object.keys(HEADINGS)) {
      await lab.goTo(place);
      titles.add(await lab.page.title());
      assert.ok((await lab.headings()).some((heading) => HEADINGS[place].test(heading)), `${place}: ${await lab.headings()}`);
    }
    assert.equal(titles.size, 7, [...titles].join('\n'));
    assert.match([...titles][0], /^Sparring: /);
    await lab.goTo('runs');
    await lab.page.reload();
    await lab.reach('ready');
    await keyboard.press('Tab');
    await keyboard.press('Tab');
    await keyboard.press('Enter');
    await lab.isAt('ring');
    await lab.chart.hasFocus();
    assert.deepEqual(lab.errors, []);
  });
});

test('what the chart shows is one stop for the Tab key, and arrow keys choose', async () => {
  await withLab({ webgpu: 'no-adapter' }, async (lab) => {
    const { chart } = lab;
    const { keyboard } = lab.page;
    await lab.reach('ready');
    await chart.show('hard');
    await keyboard.press('ArrowRight');
    await until('the next curve', async () => (await chart.series()) === 'Easy half');
    await keyboard.press('Tab');
    assert.equal(await chart.logarithm.evaluate((button) => button === document.activeElement), true);
    await keyboard.press('Shift+Tab');
    await keyboard.press('ArrowLeft');
    await until('the one before', async () => (await chart.series()) === 'Hard half');
    assert.deepEqual(lab.errors, []);
  });
});

test('the chart is read where the pointer is, also after the form has taken a part of its room', async () => {
  await withLab({ webgpu: 'no-adapter', form: false, context: { viewport: { width: 1440, height: 900 } } }, async (lab) => {
    const { chart, replay, settings } = lab;
    await lab.reach('ready');
    await replay.seek(1);
    const wide = await chart.reading(0.98);
    await settings.open.click();
    await until('a narrower chart', async () => (await chart.reading(0.5)).width < wide.width - 100);
    // Ten epochs: as far along as the pointer is along the axis.
    await until('a reading at the right end', async () => (await chart.reading(0.98)).epoch > 9);
    const middle = await chart.reading(0.5);
    assert.ok(Math.abs(middle.epoch - 4.8) < 0.6, JSON.stringify(middle));
    assert.ok(wide.epoch > 9, JSON.stringify(wide));
    assert.deepEqual(lab.errors, []);
  });
});

test('a browser that keeps no data of sites, and one without a clipboard, have the page all the same', async () => {
  const before = (lab) =>
    lab.page.addInitScript(() => {
      Object.defineProperty(window, 'localStorage', {
        get() {
          throw new DOMException('kept from sites', 'SecurityError');
        },
      });
      Object.defineProperty(Navigator.prototype, 'clipboard', { get: () => undefined });
    });
  await withLab({ webgpu: 'no-adapter', before }, async (lab) => {
    await lab.reach('ready');
    await lab.take.link.click();
    await lab.remarks(/^http:\/\/127\.0\.0\.1:\d+\//);
    await lab.settings.open.click();
    await lab.settings.epochs.waitFor();
    assert.deepEqual(lab.errors, []);
  });
});

test('what is read out changes at most once in five seconds while a run plays', async () => {
  await withLab({ webgpu: 'no-adapter' }, async (lab) => {
    await lab.replay.playsOn();
    await lab.replay.setSpeed(5);
    const times = await lab.readOut(11_000);
    assert.ok(Object.keys(times).length > 0, 'something is read out');
    for (const [region, at] of Object.entries(times)) {
      const pauses = at.slice(1).map((time, i) => time - at[i]);
      assert.ok(pauses.every((pause) => pause > 4500), `${region}: ${pauses.join(', ')} ms apart`);
    }
  });
});

test('no place scrolls sideways on a phone, however narrow', async () => {
  for (const width of [320, 375]) {
    await withLab({ webgpu: 'no-adapter', form: false, context: { viewport: { width, height: 700 }, isMobile: true, hasTouch: true } }, async (lab) => {
      await lab.reach('ready');
      for (const place of [...Object.keys(HEADINGS), 'inside']) {
        await lab.goTo(place);
        // Networks that ship are opened in places that look at them.
        await lab.reach(['ready', 'finished']);
        await lab.page.waitForTimeout(500);
        assert.equal(await lab.page.evaluate(() => document.documentElement.scrollWidth), width, `${place} at ${width}`);
      }
      assert.deepEqual(lab.errors, []);
    });
  }
});

test('on paper there is what was measured and nothing to press; forced colours leave the learners apart', async () => {
  await withLab({ webgpu: 'no-adapter' }, async (lab) => {
    await lab.replay.playsOn();
    await lab.replay.seek(1);
    await lab.page.emulateMedia({ media: 'print' });
    assert.deepEqual(await lab.buttons(), []);
    for (const measured of [lab.chart.drawing, lab.score.verdict, lab.numbers.card]) assert.ok(await measured.isVisible());
    await lab.page.emulateMedia({ media: 'screen', forcedColors: 'active' });
    const [dense, sparse] = await lab.chart.strokes();
    assert.notEqual(dense, sparse);
    assert.deepEqual(lab.errors, []);
  });
});

test('findings break no accessibility rule, nor does the shell before the page is there', async () => {
  await withLab({ webgpu: 'no-adapter', context: { bypassCSP: true } }, async (lab) => {
    await lab.reach('ready');
    await lab.goTo('findings');
    await lab.findings.study('density').waitFor();
    assert.deepEqual(await lab.violations(), []);
  });
  const before = (lab) => lab.page.route('**/page_bg.wasm', () => {});
  await withLab({ webgpu: 'no-adapter', context: { bypassCSP: true }, before }, async (lab) => {
    await lab.shell.itself.waitFor();
    assert.deepEqual(await lab.violations(), []);
  });
});

for (const colorScheme of ['light', 'dark']) {
  test(`no accessibility rule is broken, ${colorScheme}`, async () => {
    // The audit is put into the page from outside, which the page's own security policy forbids.
    await withLab({ config: TINY, context: { colorScheme, bypassCSP: true } }, async (lab) => {
      await lab.race();
      assert.deepEqual(await lab.violations(), []);
    });
  });
}
