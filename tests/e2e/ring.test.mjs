// The ring as a person plays with it: scenarios, steps, changes while it trains, the chart, several seeds.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TINY, withLab } from './lab.mjs';

const CPU = { ...TINY, device: 'cpu' };
const by = (lab, id) => lab.page.getByTestId(id);

test('a scenario asks for what it needs, and its race is judged by it', async () => {
  await withLab({ webgpu: 'absent', config: CPU }, async (lab) => {
    await lab.reach('ready');
    assert.equal(await by(lab, 'corruption').isVisible(), false);
    await by(lab, 'scenario-select').selectOption('corruption');
    assert.ok(await by(lab, 'corruption').isVisible());
    await by(lab, 'corruption').selectOption('gaussian-noise');
    await lab.trainButton.click();
    await lab.reach('finished');
    assert.equal(await lab.chart.getAttribute('data-series'), 'Corrupted');
    assert.match(await by(lab, 'scoreboard').innerText(), /corrupted test set/);
    await by(lab, 'scenario-select').selectOption('attack');
    assert.equal(await by(lab, 'corruption').isVisible(), false, 'one scenario takes the place of another');
    assert.match(lab.page.url(), /norm=linf/);
    assert.doesNotMatch(lab.page.url(), /corruption=/);
    assert.deepEqual(lab.errors, []);
  });
});

test('steps go one batch, one epoch, or to the next mask update', async () => {
  await withLab({ webgpu: 'absent', config: { ...CPU, epochs: '4', update_frequency: '2' } }, async (lab) => {
    await lab.reach('ready');
    await lab.stepButton.click();
    await lab.reach('paused');
    await lab.page.waitForFunction(() => /Epoch 0\.2.*paused/.test(document.querySelector('[data-testid="status"]').textContent));
    await by(lab, 'stride-select').selectOption('epoch');
    await lab.stepButton.click();
    await lab.page.waitForFunction(() => /Epoch 1\.0 .*paused/.test(document.querySelector('[data-testid="status"]').textContent));
    await by(lab, 'stride-select').selectOption('update');
    await lab.stepButton.click();
    await lab.page.waitForFunction(() => /Epoch 2\.0 .*mask update 1.*paused/.test(document.querySelector('[data-testid="status"]').textContent));
    await lab.trainButton.click();
    await lab.reach('finished');
    assert.deepEqual(lab.errors, []);
  });
});

test('learning rate and density may be changed while it trains, and the race says so', async () => {
  await withLab({ webgpu: 'absent', config: CPU }, async (lab) => {
    await lab.reach('ready');
    await by(lab, 'stride-select').selectOption('epoch');
    await lab.stepButton.click();
    await lab.page.waitForFunction(() => /Epoch 1\.0 .*paused/.test(document.querySelector('[data-testid="status"]').textContent));
    await by(lab, 'density-slider').last().fill('0.05');
    await by(lab, 'density-now').last().click();
    await lab.page.getByText('Advanced', { exact: true }).click();
    await by(lab, 'rate-now').fill('0.01');
    await by(lab, 'rate-now').blur();
    await by(lab, 'rate-use').click();
    await lab.trainButton.click();
    await lab.reach('finished');
    const said = await by(lab, 'warnings').innerText();
    assert.match(said, /SET 0\.2: density 0\.05, from epoch 1\.0 on/);
    assert.match(said, /[Ll]earning rate 0\.01, from epoch 1\.0 on/);
    const rows = await lab.rows();
    const density = rows.find((row) => row[0] === 'True density');
    assert.equal(density[2], '0.050', density.join(' '));
    assert.deepEqual(lab.errors, []);
  });
});

test('the chart zooms, smooths, takes logarithms and shows the gap', async () => {
  await withLab({ webgpu: 'absent', config: CPU }, async (lab) => {
    await lab.reach('ready');
    await lab.trainButton.click();
    await lab.reach('finished');
    const path = () => lab.chart.locator('path.line.sparse').getAttribute('d');
    await by(lab, 'loss').click();
    const plain = await path();
    await by(lab, 'chart-smooth').fill('90');
    const smooth = await path();
    assert.notEqual(smooth, plain);
    await by(lab, 'chart-log').click();
    assert.notEqual(await path(), smooth);
    await lab.chart.focus();
    await lab.page.keyboard.press('+');
    await by(lab, 'chart-whole').click();
    assert.equal(await by(lab, 'chart-whole').isVisible(), false);
    await by(lab, 'gap').click();
    assert.match(await by(lab, 'chart-key').innerText(), /[+-]\d+\.\d/);
    assert.equal(await lab.chart.locator('path.line.dense').count(), 0);
    // A drag draws out a part of the x axis.
    const box = await lab.chart.boundingBox();
    await lab.page.mouse.move(box.x + box.width * 0.4, box.y + 100);
    await lab.page.mouse.down();
    await lab.page.mouse.move(box.x + box.width * 0.9, box.y + 100);
    await lab.page.mouse.up();
    assert.ok(await by(lab, 'chart-whole').isVisible());
    assert.deepEqual(lab.errors, []);
  });
});

test('several seeds make a band and one sentence', async () => {
  await withLab({ webgpu: 'absent', config: CPU }, async (lab) => {
    await lab.reach('ready');
    await by(lab, 'seeds-input').fill('2');
    await by(lab, 'seeds-input').blur();
    await lab.page.waitForFunction(() => new URLSearchParams(location.search).get('seeds') === '2');
    await lab.trainButton.click();
    await lab.page.waitForFunction(() => /Over 2 seeds: SET 0\.2 minus dense/.test(document.body.innerText), null, { timeout: 120_000 });
    await lab.reach('finished');
    await by(lab, 'test').click();
    assert.equal(await lab.chart.locator('path.band').count(), 2);
    assert.deepEqual(lab.errors, []);
  });
});

test('a wrong number says what would be right and changes nothing; every preset can be chosen', async () => {
  await withLab({ webgpu: 'absent', config: { device: 'cpu' } }, async (lab) => {
    await lab.reach('ready');
    await by(lab, 'epochs').fill('0');
    await by(lab, 'epochs').blur();
    assert.ok(await lab.page.getByText("Epochs: 1 to 1000, not '0'.").isVisible());
    assert.equal(await by(lab, 'epochs').inputValue(), '20');
    const names = await lab.presets.locator('option').evaluateAll((all) => all.map((o) => o.value).filter((v) => v !== 'own'));
    for (const name of names) {
      await lab.presets.selectOption(name);
      assert.equal(await lab.presets.inputValue(), name);
      assert.match(await by(lab, 'estimate').innerText(), /About .* of memory/);
    }
    assert.ok(names.length >= 8);
    await lab.page.getByTestId('share-slider').fill('30');
    assert.equal(await lab.presets.inputValue(), 'own');
    assert.deepEqual(lab.errors, []);
  });
});

test('at a tenth of the load the same race takes several times as long', async () => {
  await withLab({ webgpu: 'absent', config: { ...CPU, limit_train: '256' } }, async (lab) => {
    await lab.reach('ready');
    const race = async () => {
      await lab.trainButton.click();
      await lab.reach('training');
      const began = Date.now();
      await lab.reach('finished');
      return Date.now() - began;
    };
    const full = await race();
    await lab.resetButton.click();
    await lab.reach('ready');
    await by(lab, 'load-slider').fill('10');
    const tenth = await race();
    assert.ok(tenth > 4 * full, `${full} ms at full load, ${tenth} ms at a tenth of it`);
    assert.deepEqual(lab.errors, []);
  });
});
