// The samples as a person looks for them: who is right, one image through the epochs, on to the test bench.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TINY, violations, withLab } from './lab.mjs';

const by = (lab, id) => lab.page.getByTestId(id);
const CONFIG = { ...TINY, device: 'cpu', limit_test: '96', epochs: '3', limit_train: '256' };

test('the gallery finds what one learner gets right and the other wrong, and leads to the bench', async () => {
  await withLab({ webgpu: 'absent', config: CONFIG, context: { bypassCSP: true } }, async (lab) => {
    await lab.reach('ready');
    await by(lab, 'place-samples').click();
    await by(lab, 'place-train').click();
    await lab.reach('finished');
    const buttons = by(lab, 'gallery').locator('button');
    await buttons.first().waitFor();
    await lab.page.waitForFunction(() => /of 96 test images, after epoch 3/.test(document.body.innerText));
    const all = await buttons.count();
    assert.equal(all, 36);
    await by(lab, 'samples-more').click();
    assert.equal(await buttons.count(), 72);
    await lab.page.waitForFunction(() => [...document.querySelectorAll('[data-testid="gallery"] img')].every((i) => i.complete && i.naturalWidth === 32));
    let found = 0;
    for (const [who, sparse, dense] of [['sparse', true, false], ['dense', false, true], ['everybody', true, true], ['nobody', false, false]]) {
      await by(lab, 'samples-who').selectOption(who);
      found += Number((await by(lab, 'samples-found').innerText()).match(/^(\d+) of/)[1]);
      for (const marks of await buttons.locator('.marks').all()) {
        assert.equal(await marks.locator('.mark.sparse.right').count(), Number(sparse), who);
        assert.equal(await marks.locator('.mark.dense.right').count(), Number(dense), who);
      }
    }
    assert.equal(found, 96, 'the four answers share the images out');
    await by(lab, 'samples-who').selectOption('all');
    await by(lab, 'samples-class').selectOption('3');
    const name = await by(lab, 'samples-class').locator('option[value="3"]').innerText();
    for (const label of await buttons.evaluateAll((all) => all.map((b) => b.getAttribute('aria-label')))) assert.ok(label.startsWith(name), label);
    await buttons.first().click();
    const detail = by(lab, 'sample');
    await detail.locator('table tbody tr').nth(1).waitFor();
    assert.match(await detail.innerText(), new RegExp(`Test image \\d+: ${name}`));
    assert.ok((await detail.locator('td').allInnerTexts()).some((cell) => /\d%/.test(cell)));
    const index = (await detail.innerText()).match(/Test image (\d+)/)[1];
    assert.deepEqual(await violations(lab.page), []);
    await detail.getByRole('link').click();
    assert.equal(await by(lab, 'bench-index').inputValue(), index);
    assert.deepEqual(lab.errors, []);
  });
});

test('a watched image gathers its probabilities epoch by epoch', async () => {
  await withLab({ webgpu: 'absent', config: { ...CONFIG, epochs: '4' } }, async (lab) => {
    await lab.reach('ready');
    await by(lab, 'stride-select').selectOption('epoch');
    await by(lab, 'place-samples').click();
    await lab.stepButton.click();
    const buttons = by(lab, 'gallery').locator('button');
    await buttons.first().click({ timeout: 60_000 });
    const dots = () => by(lab, 'sample').locator('svg path.line').first().getAttribute('d');
    await lab.page.waitForFunction(() => document.querySelector('[data-testid="sample"] svg path.line')?.getAttribute('d')?.startsWith('M'));
    const before = await dots();
    await lab.trainButton.click();
    await lab.reach('finished');
    await lab.page.waitForFunction((b) => document.querySelector('[data-testid="sample"] svg path.line').getAttribute('d').split('L').length > b, before.split('L').length);
    assert.deepEqual(lab.errors, []);
  });
});
