// Teacher links: the lesson, the parts that are left out, own words; what is wrong in one is said and costs nothing else.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TINY, until, withLab } from './page/lab.mjs';
import { holdBack } from './trainer.mjs';

const cpu = (config) => ({ webgpu: 'no-adapter', config: { device: 'cpu', ...config } });

test('a lesson link with half the controls hidden opens the lesson, its race and the words, and nothing else', async () => {
  const words = 'Room 12: stop at <b>step 4</b> & discuss.';
  await withLab(cpu({ lesson: 'sparse', step: '2', hide: 'hardness,corners,device,share,places,tools', text: words }), async (lab) => {
    await lab.reach('ready');
    await lab.lessons.reachesStep(2);
    assert.equal((await lab.teacher.words.innerText()).trim(), words);
    const hidden = { presets: lab.settings.presets, model: lab.settings.model, device: lab.device.choice, bench: lab.way('bench'), keys: lab.keys.button };
    for (const [what, control] of Object.entries(hidden)) assert.equal(await control.isVisible(), false, `${what}: is to be hidden`);
    const shown = { train: lab.trainButton, chart: lab.chart.drawing, status: lab.status };
    for (const [what, control] of Object.entries(shown)) assert.ok(await control.isVisible(), `${what}: is to be seen`);
    // The link has no experiment of its own: the step's race is set up.
    assert.match(await lab.status.innerText(), /Dense against SET 0\.1/);
    // Not even the keyboard gets to what is hidden.
    for (let i = 0; i < 40; i += 1) {
      await lab.page.keyboard.press('Tab');
      assert.equal(await lab.teacher.focusIsInSettingsOrMenu(), false);
    }
    assert.deepEqual(lab.errors, []);
  });
});

test('an experiment in the link counts more than the lesson, and changes keep the teacher’s part in the address', async () => {
  await withLab(cpu({ ...TINY, lesson: 'sparse', step: '2', hide: 'device' }), async (lab) => {
    await lab.reach('ready');
    await lab.lessons.panel.waitFor();
    assert.match(await lab.status.innerText(), /SET 0\.2/);
    await lab.settings.setEpochs(3);
    await lab.page.waitForURL(/epochs=3.*lesson=sparse&step=2&hide=device/);
    assert.deepEqual(lab.errors, []);
  });
});

test('what is wrong in a teacher link is said in words, and the rest counts', async () => {
  await withLab(cpu({ ...TINY, lesson: 'dancing', step: 'two', hide: 'settings,walls', preset: 'best' }), async (lab) => {
    await lab.reach('ready');
    const remarks = (await lab.teacher.remarks.allInnerTexts()).join('\n');
    for (const word of ['dancing', 'under-attack', 'walls', 'numbers', 'best', 'quick-look', "'two'"]) assert.ok(remarks.includes(word), `${word}: ${remarks}`);
    assert.equal(await lab.settings.presets.isVisible(), false);
    assert.match(await lab.status.innerText(), /2 epochs/);
    await lab.race();
    assert.deepEqual(lab.errors, []);
  });
});

test('every part of the page can be left out', async () => {
  await withLab(cpu(TINY), async (lab) => {
    await lab.reach('ready');
    for (const part of lab.teacher.parts) {
      await lab.teacher.leaveOut();
      assert.equal(await lab.teacher.isThere(part), true, part);
      await lab.teacher.leaveOut(part);
      assert.equal(await lab.teacher.isThere(part), false, part);
    }
  });
});

test('a learner with options survives the address and a reload', async () => {
  await withLab(cpu({ ...TINY, learners: 'dense,set@0.2+masked' }), async (lab) => {
    await lab.reach('ready');
    await lab.settings.setEpochs(3);
    await lab.page.waitForURL(/learners=dense,set@0\.2%2Bmasked/);
    await lab.reload();
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
    assert.equal(await lab.settings.dataset.inputValue(), 'builtin');
    assert.match(await lab.status.innerText(), /3 epochs/);
  });
});

test('the builder makes a link that does what it says', async () => {
  await withLab(cpu(TINY), async (lab) => {
    await lab.reach('ready');
    await lab.goTo('lessons');
    const link = await lab.teacher.build({ lesson: 2, leaveOut: ['This device'], words: 'Begin at once & tell me\nwho leads.' });
    assert.equal(await lab.teacher.link.innerText(), link);
    await lab.page.goto(link);
    await lab.reach('ready');
    await lab.lessons.panel.waitFor();
    assert.match(await lab.lessons.number.innerText(), /Who learns the hard ones better/);
    assert.equal(await lab.device.facts.isVisible(), false);
    assert.match(await lab.teacher.words.innerText(), /Begin at once & tell me\s+who leads\./);
    assert.match(await lab.status.innerText(), /2 epochs/);
    assert.deepEqual(lab.errors, []);
  });
});

test('a lesson has a short link, which brings its experiment, and a code for the wall', async () => {
  await withLab({ webgpu: 'no-adapter' }, async (lab) => {
    const { teacher, lessons } = lab;
    await lab.reach('ready');
    await lessons.open(1);
    await lab.goTo('lessons');
    assert.deepEqual(await teacher.filledIn(), { lesson: '1', leftOut: 0, words: '' }, 'the lesson that is open');
    const link = await teacher.link.getAttribute('href');
    assert.equal(new URL(link).search, '?lesson=sparse');
    const code = await teacher.showCode();
    assert.ok(code.split('M').length > 200, code);
    // What is chosen beside it is in the link, and another code.
    await teacher.build({ lesson: 1, leaveOut: ['This device'], words: '' });
    await until('another code', async () => (await teacher.code.getAttribute('d')) !== code);
    await lab.page.goto(link);
    await lab.reach('ready');
    await lessons.panel.waitFor();
    assert.match(await lab.status.innerText(), /Dense against SET 0\.1/);
    assert.deepEqual(lab.errors, []);
  });
});

test('what was filled in before the titles of the lessons arrived is still filled in', async () => {
  let release;
  const before = async (lab) => (release = await holdBack(lab.page, '**/lessons.txt'));
  await withLab({ ...cpu(TINY), context: { serviceWorkers: 'block' }, before }, async (lab) => {
    await lab.reach('ready');
    await lab.goTo('lessons');
    const link = await lab.teacher.build({ lesson: 1, leaveOut: ['This device'], words: '\nA line of <b>our</b> own' });
    assert.match(link, /lesson=sparse&hide=device&text=%0AA%20line/);
    release();
    await until('the lessons', async () => (await lab.lessons.entries.count()) > 0);
    assert.deepEqual(await lab.teacher.filledIn(), { lesson: '1', leftOut: 1, words: '\nA line of <b>our</b> own' });
    // One more change, and the link still has the others.
    assert.match(await lab.teacher.build({ lesson: 2, leaveOut: [], words: 'Begin' }), /lesson=(?!sparse)[a-z-]+&hide=device&text=Begin/);
  });
});
