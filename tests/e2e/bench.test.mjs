// One picture, corrupted and attacked: what is shown is what was asked for, and the learners' answers follow it.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TINY, withLab } from './page/lab.mjs';

const cpu = { webgpu: 'no-adapter', config: TINY };

const largest = (a, b) => a.bytes.reduce((most, v, i) => Math.max(most, Math.abs(v - b.bytes[i])), 0);

/** The bench, with learners that have trained. */
async function atBench(options, work) {
  await withLab(options, async (lab) => {
    await lab.race();
    await lab.bench.open();
    await work(lab.bench, lab);
  });
}

test('where nobody has trained and no networks ship the bench says so, and its button trains', async () => {
  const before = (lab) => lab.page.route('**/runs/builtin.json', (route) => route.fulfill({ status: 404, body: 'none' }));
  await withLab({ ...cpu, context: { serviceWorkers: 'block' }, before }, async (lab) => {
    await lab.reach('ready');
    await lab.page.goto(`${lab.page.url()}#bench`);
    await lab.says('There has to be a learner first');
    await lab.trainHere.click();
    await lab.reach('finished');
    await lab.says(/says/);
    assert.deepEqual(lab.errors.filter((e) => !/404/.test(e)), []);
  });
});

test('kinds of corruption stand by family, in the form and at the bench; those beyond the usual fifteen say so', async () => {
  await atBench(cpu, async (bench, lab) => {
    const kinds = await bench.kinds();
    assert.deepEqual(kinds.map(([family]) => family), ['Noise', 'Blur', 'Weather', 'Digital']);
    const labels = kinds.flatMap(([, labels]) => labels);
    assert.equal(labels.length, 19);
    assert.equal(new Set(labels).size, 19);
    const extra = labels.filter((label) => label.endsWith(' (extra)')).map((label) => label.replace(' (extra)', '')).sort();
    assert.deepEqual(extra, ['Gaussian blur', 'Saturate', 'Spatter', 'Speckle noise']);
    const offered = await lab.settings.corruptions();
    assert.deepEqual(offered.filter(([family]) => family), kinds);
    assert.deepEqual(lab.errors, []);
  });
});

test('corruption and attack do what their sliders say', async () => {
  await atBench(cpu, async (bench, lab) => {
    assert.equal(await bench.learners.count(), 2);

    // Untouched: the sentence, the bars and the table agree.
    const [, , now] = (await bench.numbers()).reduce((best, row) => (parseFloat(row[2]) > parseFloat(best[2]) ? row : best));
    const says = await bench.sentence.innerText();
    assert.match(says, /^Dense (rightly|wrongly) says .+ \(\d+%\); SET 0\.2 (rightly|wrongly) says .+\.$/);
    // Both are rounded from the same number, to whole per cent and to tenths.
    const whole = parseFloat(says.match(/\((\d+)%\)/)[1]);
    assert.ok(Math.abs(whole - parseFloat(now)) <= 0.55 + 1e-9, `${says} against ${now}`);
    for (const learner of [0, 1]) {
      const total = (await bench.numbers()).reduce((sum, row) => sum + parseFloat(row[2 + 2 * learner]), 0);
      assert.ok(Math.abs(total - 100) < 1, `probabilities of learner ${learner} add up to ${total}`);
      assert.equal((await bench.bars(learner)).filter(([name]) => name.endsWith('(true)')).length, 1);
    }
    const clean = await bench.before();
    assert.deepEqual(await bench.after(), clean, 'nothing was asked for and something changed');
    assert.match(await bench.took.innerText(), /2 learners answered in \d+ ms/);

    // Epsilon 0 is no attack.
    const unattacked = await bench.numbers();
    await bench.slide(bench.epsilon, 0);
    await bench.answered(() => bench.norm.selectOption('linf'));
    assert.deepEqual(await bench.numbers(), unattacked, 'epsilon 0 changes an answer');
    for (const learner of [0, 1]) {
      assert.deepEqual(await bench.saw(learner), clean, 'epsilon 0 changes a pixel');
      assert.ok((await bench.change(learner)).bytes.every((v, i) => v === (i % 4 === 3 ? 255 : 128)), 'no change is grey');
      assert.equal(await bench.changed(learner), 'Nothing was changed.');
    }

    // Every pixel that a learner saw is inside the ball, and the magnified change is that change.
    await bench.answered(() => bench.slide(bench.epsilon, 8));
    for (const learner of [0, 1]) {
      const saw = await bench.saw(learner);
      const most = largest(saw, clean);
      assert.ok(most > 0 && most <= 8, `learner ${learner} saw a change of ${most} of 255`);
      assert.match(await bench.changed(learner), new RegExp(`at most ${most} of 255, in \\d+% of the values`));
      const factor = await bench.factor(learner);
      assert.ok(factor > 1);
      const change = await bench.change(learner);
      saw.bytes.forEach((v, i) => {
        if (i % 4 < 3) assert.equal(change.bytes[i], 128 + (v - clean.bytes[i]) * factor);
      });
    }
    assert.match(await bench.sentence.innerText(), /Dense (still says|was fooled into|was wrong before)/);

    // More corruption, another picture; the attack starts from the corrupted one.
    let last = 0;
    for (const severity of [1, 3, 5]) {
      await bench.answered(() => bench.slide(bench.severity, severity));
      const distance = (await bench.after()).bytes.reduce((sum, v, i) => sum + Math.abs(v - clean.bytes[i]), 0);
      assert.ok(distance > last, `severity ${severity} changes less than the one before`);
      last = distance;
      assert.ok(largest(await bench.saw(0), await bench.after()) <= 8);
    }
    assert.deepEqual(await bench.before(), clean);
    await bench.answered(() => bench.kind.selectOption('pixelate'));
    assert.deepEqual(lab.errors, []);
  });
});

test('the keyboard alone chooses a picture and attacks it', async () => {
  await atBench(cpu, async (bench, lab) => {
    const { keyboard } = lab.page;
    const first = await bench.before();
    await bench.next.focus();
    await bench.answered(() => keyboard.press('Enter'));
    assert.equal(await bench.index.inputValue(), '1');
    assert.notDeepEqual((await bench.before()).bytes, first.bytes);
    await bench.answered(async () => {
      await bench.previous.focus();
      await keyboard.press('Space');
      await keyboard.press('Space');
    });
    assert.equal(await bench.index.inputValue(), '31', 'before the first comes the last of 32');
    await bench.severity.focus();
    await bench.answered(() => keyboard.press('ArrowRight'));
    assert.equal(await bench.severity.getAttribute('aria-valuetext'), '1 of 5');
    assert.ok(await bench.epsilon.isDisabled());
    await bench.norm.focus();
    await bench.answered(() => keyboard.press('End'));
    assert.equal(await bench.norm.inputValue(), 'l2');
    await bench.epsilon.focus();
    await bench.answered(() => keyboard.press('ArrowRight'));
    assert.equal(await bench.epsilon.getAttribute('aria-valuetext'), '0.55');
    assert.deepEqual(lab.errors, []);
  });
});

test('an own picture is shown as it is, and a file that is none is refused in words', async () => {
  await atBench(cpu, async (bench, lab) => {
    await bench.unfoldOwn();
    await bench.bring('notes.txt', 'text/plain', 'no picture');
    await lab.says('cannot read that file as a picture');
    // Twice as wide as high, green but for its left and right quarters, which are cut away.
    const png = await lab.page.evaluate(() => {
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [256, 128];
      const context = canvas.getContext('2d');
      context.fillStyle = '#f00';
      context.fillRect(0, 0, 256, 128);
      context.fillStyle = '#0a0';
      context.fillRect(64, 0, 128, 128);
      return canvas.toDataURL().split(',')[1];
    });
    await bench.answered(() => bench.bring('own.png', 'image/png', Buffer.from(png, 'base64')));
    const { width, height, bytes } = await bench.before();
    assert.deepEqual([width, height], [32, 32]);
    const middle = 4 * (16 * 32 + 16);
    assert.deepEqual(bytes.slice(middle, middle + 4), [0, 0xaa, 0, 255]);
    assert.match(await bench.sentence.innerText(), /^Dense says .+; SET 0\.2 says /);
    await lab.says('nobody knows its class');
    await bench.answered(() => bench.norm.selectOption('linf'));
    assert.ok(largest(await bench.saw(0), await bench.before()) <= 8);
    assert.deepEqual(lab.errors, []);
  });
});

for (const colorScheme of ['light', 'dark']) {
  test(`no accessibility rule is broken at the bench, ${colorScheme}`, async () => {
    await atBench({ ...cpu, context: { colorScheme, bypassCSP: true } }, async (bench, lab) => {
      await bench.answered(() => bench.norm.selectOption('linf'));
      await bench.unfoldNumbers();
      assert.deepEqual(await lab.violations(), []);
    });
  });
}
