// Runs: a race survives a reload, and runs are renamed, compared, taken away, brought back, deleted.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TINY, until, withLab } from './page/lab.mjs';
import { crash, moveNothing, quota, slowFiles } from './trainer.mjs';
import { goesOnWhereItWas } from './races.mjs';

const CPU = { ...TINY, device: 'cpu' };

test('who chooses another scenario sees its recorded run; training one of one\'s own ends the replay', async () => {
  await withLab({}, async (lab) => {
    await lab.replay.shows('Hardest of the built-in set');
    await lab.settings.choosePreset(/attack/i);
    await lab.replay.shows('Hard by attack');
    await lab.settings.presets.selectOption('quick-look');
    await lab.reach('ready');
    await lab.train();
    await lab.reach('training');
    await lab.replay.play.waitFor({ state: 'detached' });
    await lab.morePointsThan(0);
    assert.deepEqual(lab.errors, []);
  });
});

test('a reload in mid-training loses at most the epoch under way, and the race goes on', async () => {
  await withLab({ config: { ...CPU, epochs: '400' } }, async (lab) => {
    await lab.reach('ready');
    await lab.train();
    await lab.stands(/Epoch [3-9]/, 120_000);
    await lab.reload();
    await lab.replay.resume.waitFor({ timeout: 10_000 });
    const epoch = Number((await lab.replay.resume.innerText()).match(/epoch (\d+)/i)[1]);
    assert.ok(epoch >= 1, `epochs were kept: ${epoch}`);
    await lab.replay.resume.click();
    await lab.reach('training');
    // The curves before the reload are there, and grow.
    await lab.morePointsThan(await lab.morePointsThan(epoch));
    await lab.pause();
    await lab.reach('paused');
    await lab.runs.open();
    assert.equal(await lab.runs.kept.count(), 1, 'it is still one run');
    assert.deepEqual(lab.errors, []);
  });
});

test('a trainer that stopped costs at most the epoch under way', async () => {
  await withLab({ config: { ...CPU, epochs: '400', limit_train: '32' } }, async (lab) => {
    await lab.reach('ready');
    await lab.train();
    await lab.reach('training');
    await lab.runs.keeps();
    await crash(lab.page);
    await goesOnWhereItWas(lab);
    assert.deepEqual(lab.errors.filter((e) => !/provoked/.test(e)), []);
  });
});

test('a finished run is renamed, compared, taken away, deleted, and brought back from its file', async () => {
  await withLab({ config: { ...CPU, epochs: '2' } }, async (lab) => {
    const { runs } = lab;
    await lab.race();
    await runs.open();
    await runs.kept.waitFor();
    await runs.filesAre(1); // A finished run needs no checkpoint.

    // What the trainer holds: weights as the program writes them, and masks with scores.
    const header = ({ bytes }) => JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString());
    const weights = await runs.file(runs.held('Weights', 'SET 0.2'));
    assert.equal(weights.name, 'set@0.2.safetensors');
    assert.deepEqual([header(weights).__metadata__.model, header(weights).__metadata__.format], ['tiny', 'sparring-1']);
    const masks = await runs.file(runs.held('Masks and scores', 'SET 0.2'));
    const mask = Object.entries(header(masks)).find(([name]) => name.startsWith('mask.'));
    assert.ok(mask && weights.bytes.length > 10_000, JSON.stringify(mask));

    await runs.rename(runs.kept, 'My run & <b>');
    await runs.row('My run & <b>').waitFor();

    const file = await runs.file(runs.button(runs.kept, 'Save file'));
    const run = JSON.parse(file.text);
    assert.deepEqual([run.sparring_run, run.name, run.config.epochs, run.config.model], [1, 'My run & <b>', 2, 'tiny']);
    assert.ok(file.text.length < 150_000 && run.device.backend === 'cpu' && /\d/.test(run.date) && run.system);
    const card = await runs.file(runs.button(runs.kept, 'Run card'));
    assert.match(card.text, /My run & <b>\n[^]*2 of 2 epochs[^]*limit_train = 64/);

    await runs.compare('My run', 'All of CIFAR-10');
    assert.match(await runs.comparison.innerText(), /SET 0\.2: test[^]*Training images at most/);
    assert.match(await runs.comparison.innerText(), /A · My run[^]*B · All of CIFAR-10/);
    // Both in one drawing: each line ends in the letter of its run, and a chip draws something else.
    await runs.lettersAre(/^AABB$/); // Two learners of one, and those of the recorded run.
    await runs.overlayShows('loss');
    assert.match(await runs.overlay.getAttribute('aria-label'), /training loss[^]*2 runs/);
    const csv = await runs.file(runs.csv);
    const rows = csv.text.trim().split('\n').filter((line) => line.startsWith('My run'));
    assert.equal(rows.length, 4, 'two learners, two epochs');
    const all = await runs.file(runs.json);
    assert.deepEqual(JSON.parse(all.text).map((r) => r.name).sort(), ['All of CIFAR-10', 'My run & <b>'].sort());

    await runs.delete(runs.kept);
    await runs.gone(runs.kept);
    await runs.filesAre(0);

    await runs.bring([{ name: 'all.json', text: all.text }]);
    await runs.brought.nth(1).waitFor();
    await runs.delete(runs.brought.filter({ hasText: 'All of CIFAR-10' }));
    await runs.gone(runs.brought.nth(1));
    // The files of a native run's folder, as the program writes them: a summary, and an event a line.
    const { events, name: _, sparring_run: __, ...summary } = run;
    const lines = events.map((event) => Object.entries(event)[0]).map(([event, fields]) => JSON.stringify({ event, ...fields }));
    await runs.bring([
      { name: 'config.toml', text: 'epochs = 2' },
      { name: 'metrics.jsonl', text: `${lines.join('\n')}\n{"event":"progress","lea` },
      { name: 'summary.json', text: JSON.stringify({ stopped: false, ...summary }) },
    ]);
    await runs.row('Dense against SET 0.2 on Built-in set').waitFor();
    assert.equal(await runs.brought.count(), 2);
    await runs.press(runs.brought.filter({ hasText: 'My run' }), 'Open');
    await lab.replay.shows('My run & <b>');
    await lab.replay.seek(1);
    await lab.morePointsThan(0);
    assert.deepEqual(lab.errors, []);
  });
});

test('recorded runs that come while kept ones are still read are in the list too', async () => {
  await withLab({ config: { ...CPU, epochs: '1' } }, async (lab) => {
    const { runs } = lab;
    await lab.race();
    await runs.filesAre(1);
    await slowFiles(lab.page, 1000);
    await lab.page.goto(`${lab.page.url()}#runs`);
    await lab.page.reload();
    await runs.kept.waitFor();
    for (const name of ['Hard by nature', 'Hard by corruption', 'Hard by attack']) await runs.row(name).waitFor({ timeout: 5000 });
    assert.equal(await runs.kept.count(), 1);
    assert.deepEqual(lab.errors, []);
  });
});

test('what is no run, and a kept run that is damaged, have their own plain words and harm no other', async () => {
  await withLab({ config: { ...CPU, epochs: '1' } }, async (lab) => {
    const { runs } = lab;
    await lab.race();
    await runs.write('run-1700000000000-abc.1.json', '{"sparring_run":1,"name":"half');
    await runs.write('run-1700000000001-abc.1.json', '{"sparring_run":7}');
    await runs.open();
    await runs.row('damaged').waitFor();
    await runs.row('format 7').waitFor();
    await runs.press(runs.kept, 'Open');
    await lab.replay.shows('SET 0.2');
    await runs.open();

    for (const [name, text, words] of [
      ['notes.json', '{"a":1}', /notes\.json was not opened: it is no run/],
      ['cut.json', '{"sparring_run":1,', /cut\.json was not opened: it is damaged/],
      ['metrics.jsonl', '{}', /both together/],
    ]) {
      await runs.bring([{ name, text }]);
      await lab.remarks(words);
    }
    await runs.delete(runs.row('damaged'));
    await runs.gone(runs.row('damaged'));
    assert.deepEqual(lab.errors, []);
  });
});

test('a browser that moves no files keeps runs all the same, and what was cut off goes', async () => {
  await withLab({ config: { ...CPU, epochs: '1' } }, async (lab) => {
    const { runs } = lab;
    await lab.reach('ready');
    await moveNothing(lab.page);
    await lab.race();
    await runs.filesAre(1);
    await runs.write('run-1700000000000-abc.1.json.part', '{"sparring_run":1,"na');
    await runs.open();
    await runs.press(runs.kept, 'Open');
    await lab.replay.shows('SET 0.2');
    assert.equal((await runs.files()).length, 2);
    await lab.reload();
    await until('nothing that was cut off', async () => (await runs.files()).length === 1);
    assert.deepEqual(lab.errors, []);
  });
});

test('where the browser keeps no more, the race says so, goes on to its end, and can be taken away', async () => {
  await withLab({ config: { ...CPU, epochs: '2' } }, async (lab) => {
    await lab.reach('ready');
    await quota(lab.page, 100);
    await lab.race();
    await lab.says(/storage is full/);
    assert.deepEqual(await lab.runs.files(), [], 'nothing half-written is left');
    await lab.runs.open();
    const weights = await lab.runs.file(lab.runs.held('Weights'));
    assert.ok(weights.bytes.length > 10_000);
    assert.deepEqual(lab.errors, []);
  });
});

test('the chart is taken away as a drawing and as pixels', async () => {
  await withLab({}, async (lab) => {
    const { runs } = lab;
    await lab.replay.play.waitFor();
    await lab.replay.seek(1);
    await runs.open();
    const svg = await runs.file(runs.svg);
    assert.match(svg.text, /^<svg xmlns=[^]*Hardest of the built-in set[^]*<\/svg>$/);
    const png = await runs.file(runs.png);
    assert.equal(png.bytes.subarray(1, 4).toString(), 'PNG');
    assert.equal(png.bytes.readUInt32BE(16), 1800, 'twice as wide as the drawing');
    assert.ok(png.bytes.length > 10_000, `there is something on it: ${png.bytes.length} bytes`);
    assert.deepEqual(lab.errors, []);
  });
});

for (const colorScheme of ['light', 'dark']) {
  test(`no accessibility rule is broken by replay, resume and the list, ${colorScheme}`, async () => {
    await withLab({ context: { colorScheme, bypassCSP: true } }, async (lab) => {
      await lab.reach('ready');
      await lab.replay.play.waitFor();
      assert.deepEqual(await lab.violations(), []);
      await lab.runs.open();
      await lab.runs.compare('Hard by attack', 'Hard by nature');
      await lab.runs.overlay.waitFor();
      await lab.runs.comparison.waitFor();
      assert.deepEqual(await lab.violations(), []);
    });
  });
}
