// The page by itself: it loads, says what it will do, is usable without a mouse, and breaks no accessibility rule.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TINY, violations, withLab } from './lab.mjs';

test('the page loads with the main preset chosen and no error', async () => {
  await withLab({}, async (lab) => {
    await lab.reach('ready');
    assert.match(await lab.presets.locator('option:checked').innerText(), /hard by nature/i);
    assert.ok(await lab.trainButton.isEnabled());
    assert.match(await lab.deviceLine.innerText(), /\S/);
    assert.deepEqual(lab.errors, []);
  });
});

test('a link with a mistake is said in words, not a blank page', async () => {
  await withLab({ config: { model: 'resnet21' } }, async (lab) => {
    await lab.page.getByText('resnet21').first().waitFor();
    assert.deepEqual(lab.errors, []);
  });
});

test('a setting that is changed in another place leaves the visitor there, also after a reload', async () => {
  await withLab({ config: TINY }, async (lab) => {
    await lab.reach('ready');
    await lab.page.getByTestId('place-bench').click();
    const epochs = lab.page.getByTestId('epochs');
    await epochs.fill('7');
    await epochs.blur();
    await lab.page.waitForURL(/epochs=7.*#bench$/);
    await lab.page.reload();
    await lab.reach('ready');
    assert.equal(await lab.page.getByTestId('place-bench').getAttribute('aria-current'), 'page');
    assert.equal(await lab.page.getByTestId('epochs').inputValue(), '7');
    assert.deepEqual(lab.errors, []);
  });
});

test('the keyboard alone starts, pauses and resets a race', async () => {
  await withLab({ config: { ...TINY, epochs: '500' } }, async (lab) => {
    await lab.reach('ready');
    await tabTo(lab, lab.trainButton);
    await lab.page.keyboard.press('Enter');
    await lab.reach('training');
    await lab.morePointsThan(0);
    await tabTo(lab, lab.pauseButton);
    await lab.page.keyboard.press('Space');
    await lab.reach('paused');
    await tabTo(lab, lab.resetButton);
    await lab.page.keyboard.press('Enter');
    await lab.reach('ready');
    assert.equal(await lab.points(), 0);
    assert.deepEqual(lab.errors, []);
  });
});

for (const colorScheme of ['light', 'dark']) {
  test(`no accessibility rule is broken, ${colorScheme}`, async () => {
    // The audit is put into the page from outside, which the page's own security policy forbids.
    await withLab({ config: TINY, context: { colorScheme, bypassCSP: true } }, async (lab) => {
      await lab.reach('ready');
      await lab.trainButton.click();
      await lab.reach('finished');
      assert.deepEqual(await violations(lab.page), []);
    });
  });
}

/** Presses Tab until the element has the focus. */
async function tabTo(lab, target) {
  for (let i = 0; i < 80; i += 1) {
    if (await target.evaluate((element) => element === document.activeElement)) return;
    await lab.page.keyboard.press('Tab');
  }
  assert.fail(`Tab never reaches ${target}`);
}
