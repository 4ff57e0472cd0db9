// Runs: a recorded one plays at once, a race survives a reload, and runs are renamed, compared, taken away, brought back, deleted.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { TINY, withLab } from './lab.mjs';
import { Runs } from './runs.mjs';

const axe = await readFile(new URL('./node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
const CPU = { ...TINY, device: 'cpu' };

test('a first visit sees a recorded run play within five seconds, and that it is not its machine', async () => {
  for (const webgpu of ['software', 'absent']) {
    await withLab({ webgpu }, async (lab) => {
      const runs = new Runs(lab);
      await runs.play.waitFor({ timeout: 5000 });
      await lab.morePointsThan(3, 5000);
      assert.match(await runs.bar.innerText(), /recorded on .+: not your machine/i);
      // Hold holds; the end is everything, with who leads.
      await runs.play.click();
      const held = await lab.points();
      await lab.page.waitForTimeout(500);
      assert.equal(await lab.points(), held);
      await runs.place.fill('1000');
      await lab.page.waitForFunction((points) => Number(document.querySelector('[data-testid="chart"]').dataset.points) > points, held);
      await lab.page.getByText(/leads|told apart/i).first().waitFor();
      await runs.place.fill('100');
      assert.ok((await lab.rows()).length >= 2);
      assert.match(await runs.trainThis.innerText(), /train this/i);
      await lab.reach('ready');
      assert.deepEqual(lab.errors, []);
    });
  }
});

test('who chooses another scenario sees its recorded run; training one of one\'s own ends the replay', async () => {
  await withLab({}, async (lab) => {
    const runs = new Runs(lab);
    await runs.bar.getByText('Hard by nature').waitFor();
    const attack = lab.presets.locator('option', { hasText: /attack/i }).first();
    await lab.presets.selectOption(await attack.getAttribute('value'));
    await runs.bar.getByText('Hard by attack').waitFor();
    await lab.presets.selectOption('quick-look');
    await lab.reach('ready');
    await lab.trainButton.click();
    await lab.reach('training');
    await runs.play.waitFor({ state: 'detached' });
    await lab.morePointsThan(0);
    assert.deepEqual(lab.errors, []);
  });
});

test('a reload in mid-training loses at most the epoch under way, and the race goes on', async () => {
  await withLab({ config: { ...CPU, epochs: '400' } }, async (lab) => {
    const runs = new Runs(lab);
    await lab.reach('ready');
    await lab.trainButton.click();
    await lab.page.waitForFunction(() => /Epoch [3-9]/.test(document.querySelector('[data-testid="status"]').textContent), null, { timeout: 120_000 });
    await lab.page.reload();
    await lab.reach('ready');
    await runs.resume.waitFor({ timeout: 10_000 });
    const epoch = Number((await runs.resume.innerText()).match(/epoch (\d+)/i)[1]);
    assert.ok(epoch >= 1, `epochs were kept: ${epoch}`);
    await runs.resume.click();
    await lab.reach('training');
    // The curves before the reload are there, and grow.
    await lab.morePointsThan(await lab.morePointsThan(epoch));
    await lab.pauseButton.click();
    await lab.reach('paused');
    await runs.open();
    assert.equal(await runs.kept().count(), 1, 'it is still one run');
    assert.deepEqual(lab.errors, []);
  });
});

test('a trainer that stopped and a GPU that was lost cost at most the epoch under way', async () => {
  for (const device of ['cpu', 'gpu']) {
    await withLab({ config: { ...TINY, device, epochs: '400', limit_train: '32' } }, async (lab) => {
      const runs = new Runs(lab);
      await lab.reach('ready');
      const worker = lab.page.workers()[0] ?? (await lab.page.waitForEvent('worker'));
      if (device === 'gpu') {
        await worker.evaluate(() => {
          const { createBuffer } = GPUDevice.prototype;
          GPUDevice.prototype.createBuffer = function remember(...args) {
            self.lent = this;
            return createBuffer.apply(this, args);
          };
        });
      }
      await lab.trainButton.click();
      await lab.reach('training');
      await runs.keeps();
      await worker.evaluate((device) => {
        if (device === 'gpu') self.lent.destroy();
        else setTimeout(() => { throw new Error('provoked'); });
      }, device);
      await runs.resume.waitFor({ timeout: 60_000 });
      assert.equal(await lab.phase(), 'failed');
      assert.match(await runs.resume.innerText(), /Resume from epoch [1-9]/);
      await runs.resume.click();
      await lab.reach('training');
      await lab.morePointsThan(await lab.points());
      assert.deepEqual(lab.errors.filter((e) => !/provoked/.test(e)), []);
    });
  }
});

test('a finished run is renamed, compared, taken away, deleted, and brought back from its file', async () => {
  await withLab({ config: { ...CPU, epochs: '2' } }, async (lab) => {
    const runs = new Runs(lab);
    await lab.reach('ready');
    await lab.trainButton.click();
    await lab.reach('finished');
    await runs.open();
    await runs.kept().waitFor();
    assert.equal((await runs.files()).length, 1, 'a finished run needs no checkpoint');

    // What the trainer holds: weights as the program writes them, and masks with scores.
    const held = lab.page.getByTestId('runs-held').locator('tr', { hasText: 'SET 0.2' });
    const header = ({ bytes }) => JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString());
    const weights = await runs.file(held.getByRole('button', { name: 'Weights' }));
    assert.equal(weights.name, 'set@0.2.safetensors');
    assert.deepEqual([header(weights).__metadata__.model, header(weights).__metadata__.format], ['tiny', 'sparring-1']);
    const masks = await runs.file(held.getByRole('button', { name: 'Masks and scores' }));
    const mask = Object.entries(header(masks)).find(([name]) => name.startsWith('mask.'));
    assert.ok(mask && weights.bytes.length > 10_000, JSON.stringify(mask));

    lab.page.once('dialog', (dialog) => dialog.accept('My run & <b>'));
    await runs.press(runs.kept(), 'Rename');
    await runs.row('My run & <b>').waitFor();

    const file = await runs.file(runs.kept().getByRole('button', { name: 'Save file' }));
    const run = JSON.parse(file.text);
    assert.deepEqual([run.sparring_run, run.name, run.config.epochs, run.config.model], [1, 'My run & <b>', 2, 'tiny']);
    assert.ok(file.text.length < 150_000 && run.device.backend === 'cpu' && /\d/.test(run.date) && run.system);
    const card = await runs.file(runs.kept().getByRole('button', { name: 'Run card' }));
    assert.match(card.text, /My run & <b>\n[^]*2 of 2 epochs[^]*limit_train = 64/);

    for (const name of ['My run', 'Hard by nature']) await runs.row(name).getByRole('checkbox').check();
    assert.match(await runs.comparison.innerText(), /SET 0\.2: test[^]*limit_train/);
    assert.match(await runs.comparison.innerText(), /A · My run[^]*B · Hard by nature/);
    // Both in one drawing: each line ends in the letter of its run, and a chip draws something else.
    const overlay = lab.page.getByTestId('overlay');
    const letters = async () => (await overlay.locator('text').allTextContents()).filter((text) => /^[A-Z]$/.test(text)).sort().join('');
    assert.match(await letters(), /^AAB{3,}$/, 'two learners of one, and those of the recorded run');
    const before = await overlay.innerHTML();
    await lab.page.locator('.runs').getByTestId('loss').click();
    await lab.page.waitForFunction((old) => document.querySelector('[data-testid="overlay"]').innerHTML !== old, before);
    assert.match(await overlay.getAttribute('aria-label'), /training loss[^]*2 runs/);
    const csv = await runs.file(lab.page.getByTestId('runs-csv'));
    const rows = csv.text.trim().split('\n').filter((line) => line.startsWith('My run'));
    assert.equal(rows.length, 4, 'two learners, two epochs');
    const all = await runs.file(lab.page.getByTestId('runs-json'));
    assert.deepEqual(JSON.parse(all.text).map((r) => r.name).sort(), ['Hard by nature', 'My run & <b>'].sort());

    lab.page.once('dialog', (dialog) => dialog.accept());
    await runs.press(runs.kept(), 'Delete');
    await runs.kept().waitFor({ state: 'detached' });
    assert.deepEqual(await runs.files(), []);

    await runs.bring([{ name: 'all.json', text: all.text }]);
    const back = runs.row('From a file');
    await back.nth(1).waitFor();
    lab.page.once('dialog', (dialog) => dialog.accept());
    await runs.press(back.filter({ hasText: 'Hard by nature' }), 'Delete');
    await back.nth(1).waitFor({ state: 'detached' });
    // The files of a native run's folder, as the program writes them: a summary, and an event a line.
    const { events, name: _, sparring_run: __, ...summary } = run;
    const lines = events.map((event) => Object.entries(event)[0]).map(([event, fields]) => JSON.stringify({ event, ...fields }));
    await runs.bring([
      { name: 'config.toml', text: 'epochs = 2' },
      { name: 'metrics.jsonl', text: `${lines.join('\n')}\n{"event":"progress","lea` },
      { name: 'summary.json', text: JSON.stringify({ stopped: false, ...summary }) },
    ]);
    await runs.row('Dense against SET 0.2 on builtin').waitFor();
    assert.equal(await runs.row('From a file').count(), 2);
    await runs.press(back.filter({ hasText: 'My run' }), 'Open');
    await runs.bar.getByText('My run & <b>').waitFor();
    await runs.place.fill('1000');
    await lab.morePointsThan(0);
    assert.deepEqual(lab.errors, []);
  });
});

test('what is no run, and a kept run that is damaged, have their own plain words and harm no other', async () => {
  await withLab({ config: { ...CPU, epochs: '1' } }, async (lab) => {
    const runs = new Runs(lab);
    await lab.reach('ready');
    await lab.trainButton.click();
    await lab.reach('finished');
    await runs.write('run-1700000000000-abc.1.json', '{"sparring_run":1,"name":"half');
    await runs.write('run-1700000000001-abc.1.json', '{"sparring_run":7}');
    await runs.open();
    await runs.row('damaged').waitFor();
    await runs.row('format 7').waitFor();
    await runs.press(runs.kept(), 'Open');
    await runs.bar.getByText('SET 0.2').first().waitFor();
    await runs.open();

    for (const [name, text, words] of [
      ['notes.json', '{"a":1}', /notes\.json was not opened: it is no run/],
      ['cut.json', '{"sparring_run":1,', /cut\.json was not opened: it is damaged/],
      ['metrics.jsonl', '{}', /both together/],
    ]) {
      await runs.bring([{ name, text }]);
      await lab.page.waitForFunction(
        (source) => new RegExp(source).test(document.querySelector('[data-testid="runs-remark"]').textContent),
        words.source,
      );
    }
    lab.page.once('dialog', (dialog) => dialog.accept());
    await runs.press(runs.row('damaged'), 'Delete');
    await runs.row('damaged').waitFor({ state: 'detached' });
    assert.deepEqual(lab.errors, []);
  });
});

test('where the browser keeps no more, the race says so, goes on to its end, and can be taken away', async () => {
  await withLab({ config: { ...CPU, epochs: '2' } }, async (lab) => {
    const runs = new Runs(lab);
    await lab.reach('ready');
    const devtools = await lab.page.context().newCDPSession(lab.page);
    await devtools.send('Storage.overrideQuotaForOrigin', { origin: new URL(lab.page.url()).origin, quotaSize: 100 });
    await lab.trainButton.click();
    await lab.reach('finished');
    await lab.page.getByText(/storage is full/).first().waitFor();
    assert.deepEqual(await runs.files(), [], 'nothing half-written is left');
    await runs.open();
    const weights = await runs.file(lab.page.getByTestId('runs-held').getByRole('button', { name: 'Weights' }).first());
    assert.ok(weights.bytes.length > 10_000);
    assert.deepEqual(lab.errors, []);
  });
});

test('the chart is taken away as a drawing and as pixels', async () => {
  await withLab({}, async (lab) => {
    const runs = new Runs(lab);
    await runs.play.waitFor();
    await runs.place.fill('1000');
    await runs.open();
    const svg = await runs.file(lab.page.getByTestId('chart-svg'));
    assert.match(svg.text, /^<svg xmlns=[^]*Hard by nature[^]*<\/svg>$/);
    const png = await runs.file(lab.page.getByTestId('chart-png'));
    assert.equal(png.bytes.subarray(1, 4).toString(), 'PNG');
    assert.equal(png.bytes.readUInt32BE(16), 1800, 'twice as wide as the drawing');
    assert.ok(png.bytes.length > 10_000, `there is something on it: ${png.bytes.length} bytes`);
    assert.deepEqual(lab.errors, []);
  });
});

for (const colorScheme of ['light', 'dark']) {
  test(`no accessibility rule is broken by replay, resume and the list, ${colorScheme}`, async () => {
    await withLab({ context: { colorScheme, bypassCSP: true } }, async (lab) => {
      const runs = new Runs(lab);
      await lab.reach('ready');
      await runs.play.waitFor();
      assert.deepEqual(await violations(lab), []);
      await runs.open();
      for (const name of ['Hard by attack', 'Hard by nature']) await runs.row(name).getByRole('checkbox').check();
      await lab.page.getByTestId('overlay').waitFor();
      await runs.comparison.waitFor();
      assert.deepEqual(await violations(lab), []);
    });
  });
}

async function violations(lab) {
  await lab.page.evaluate(axe);
  const { violations } = await lab.page.evaluate(() => window.axe.run());
  return violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html).join(' ')}`);
}
