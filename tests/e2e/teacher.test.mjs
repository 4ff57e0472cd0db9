// Teacher links: the lesson, the parts that are left out, own words; what is wrong in one is said and costs nothing else.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TINY, withLab } from './lab.mjs';
import { Lesson } from './shell.mjs';

const cpu = (config) => ({ webgpu: 'no-adapter', config: { device: 'cpu', ...config } });
const id = (name) => `[data-testid="${name}"]`;

test('a lesson link with half the controls hidden opens the lesson, its race and the words, and nothing else', async () => {
  const words = 'Room 12: stop at <b>step 4</b> & discuss.';
  await withLab(cpu({ lesson: 'sparse', step: '2', hide: 'hardness,corners,device,share,places,tools', text: words }), async (lab) => {
    await lab.reach('ready');
    const lesson = new Lesson(lab);
    await lesson.panel.waitFor();
    await lab.page.waitForFunction(() => /Step 2 of/.test(document.querySelector('[data-testid="lesson-step"]')?.textContent));
    assert.equal((await lab.page.locator(id('teacher-text')).innerText()).trim(), words);
    for (const hidden of ['preset-select', 'model-select', 'device-select', 'place-bench', 'keys-button']) {
      assert.equal(await lab.page.locator(id(hidden)).isVisible(), false, `${hidden} is to be hidden`);
    }
    for (const shown of ['train-button', 'chart', 'status']) {
      assert.ok(await lab.page.locator(id(shown)).isVisible(), `${shown} is to be seen`);
    }
    // The link has no experiment of its own: the step's race is set up.
    assert.match(await lab.status.innerText(), /Dense against SET 0\.1/);
    // Not even the keyboard gets to what is hidden.
    for (let i = 0; i < 40; i += 1) {
      await lab.page.keyboard.press('Tab');
      assert.ok(await lab.page.evaluate(() => !document.activeElement.closest('.before, .places')));
    }
    assert.deepEqual(lab.errors, []);
  });
});

test('an experiment in the link counts more than the lesson, and changes keep the teacher’s part in the address', async () => {
  await withLab(cpu({ ...TINY, lesson: 'sparse', step: '2', hide: 'device' }), async (lab) => {
    await lab.reach('ready');
    await new Lesson(lab).panel.waitFor();
    assert.match(await lab.status.innerText(), /SET 0\.2/);
    const epochs = lab.page.locator(id('epochs'));
    await epochs.fill('3');
    await epochs.blur();
    await lab.page.waitForURL(/epochs=3.*lesson=sparse&step=2&hide=device/);
    assert.deepEqual(lab.errors, []);
  });
});

test('what is wrong in a teacher link is said in words, and the rest counts', async () => {
  await withLab(cpu({ ...TINY, lesson: 'dancing', step: 'two', hide: 'settings,walls', preset: 'best' }), async (lab) => {
    await lab.reach('ready');
    const remarks = (await lab.page.locator(id('link-remark')).allInnerTexts()).join('\n');
    for (const word of ['dancing', 'under-attack', 'walls', 'numbers', 'best', 'quick-look', "'two'"]) assert.ok(remarks.includes(word), `${word}: ${remarks}`);
    assert.equal(await lab.presets.isVisible(), false);
    assert.match(await lab.status.innerText(), /2 epochs/);
    await lab.trainButton.click();
    await lab.reach('finished');
    assert.deepEqual(lab.errors, []);
  });
});

test('every part of the page can be left out', async () => {
  const parts = {
    places: 'place-bench',
    settings: 'preset-select',
    hardness: 'preset-select',
    corners: 'model-select',
    advanced: 'batch_size',
    device: 'device-select',
    numbers: 'honest-numbers',
    share: 'copy-link',
    chart: 'chart',
    tools: 'theme-select',
  };
  await withLab(cpu(TINY), async (lab) => {
    await lab.reach('ready');
    for (const [part, control] of Object.entries(parts)) {
      const card = lab.page.locator(id(control)).locator('xpath=ancestor-or-self::*[self::section or self::header or self::details or contains(@class, "card")][1]');
      for (const hide of [false, true]) {
        await lab.page.evaluate((value) => document.documentElement.setAttribute('data-hide', value), hide ? part : '');
        const there = await lab.page.locator(id(control)).evaluate((e) => e.closest('details') ? e.closest('details').checkVisibility() : e.checkVisibility());
        // Not measured yet: the table of numbers has nothing to show before a race.
        if (part === 'numbers') assert.equal(await card.isVisible(), !hide, part);
        else assert.equal(there, !hide, part);
      }
    }
  });
});

test('a learner with options survives the address and a reload', async () => {
  await withLab(cpu({ ...TINY, learners: 'dense,set@0.2+masked' }), async (lab) => {
    await lab.reach('ready');
    const epochs = lab.page.locator(id('epochs'));
    await epochs.fill('3');
    await epochs.blur();
    await lab.page.waitForURL(/learners=dense,set@0\.2%2Bmasked/);
    await lab.page.reload();
    await lab.reach('ready');
    assert.match(await lab.status.innerText(), /SET 0\.2 \(masked\), 3 epochs/);
    // As somebody may write it by hand.
    await lab.page.goto(lab.page.url().replace('%2B', '+'));
    await lab.reach('ready');
    assert.match(await lab.status.innerText(), /\(masked\)/);
  });
});

test('a preset in the link is where its other fields start from', async () => {
  await withLab(cpu({ preset: 'quick-look', epochs: '3' }), async (lab) => {
    await lab.reach('ready');
    assert.equal(await lab.page.locator(id('dataset')).inputValue(), 'builtin');
    assert.match(await lab.status.innerText(), /3 epochs/);
  });
});

test('the builder makes a link that does what it says', async () => {
  await withLab(cpu(TINY), async (lab) => {
    await lab.reach('ready');
    await lab.page.locator(id('place-lessons')).click();
    const builder = lab.page.locator('.builder');
    await builder.locator('select').selectOption('2');
    await builder.getByLabel('This device').check();
    await builder.getByLabel('Your own words').fill('Begin at once & tell me\nwho leads.');
    const link = lab.page.locator(id('teacher-link'));
    assert.equal(await link.innerText(), await link.getAttribute('href'));
    await lab.page.goto(await link.getAttribute('href'));
    await lab.reach('ready');
    const lesson = new Lesson(lab);
    await lesson.panel.waitFor();
    assert.match(await lesson.number.innerText(), /Who learns the hard ones better/);
    assert.equal(await lab.deviceLine.isVisible(), false);
    assert.match(await lab.page.locator(id('teacher-text')).innerText(), /Begin at once & tell me\s+who leads\./);
    assert.match(await lab.status.innerText(), /2 epochs/);
    assert.deepEqual(lab.errors, []);
  });
});
