// Lessons as a person takes them: each from its list to its end, with its races, its predictions and its places.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { TINY, withLab } from './lab.mjs';
import { Lesson } from './shell.mjs';

const axe = await readFile(new URL('./node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
const text = await readFile(new URL('../../public/lessons.txt', import.meta.url), 'utf8');
const cpu = { webgpu: 'no-adapter', config: { device: 'cpu' } };

/** The lessons as the file has them: names, and each step's lines by their first word. */
const lessons = text
  .split('\n')
  .filter((line) => line.trim() && !line.startsWith('#'))
  .reduce((all, line) => {
    const [word, ...rest] = line.split(' ');
    const value = rest.join(' ');
    if (word === 'lesson') all.push({ name: value, steps: [] });
    else if (word === 'step') all.at(-1).steps.push({ title: value, answers: 0 });
    else if (all.at(-1).steps.length) {
      const step = all.at(-1).steps.at(-1);
      step[word] ??= value;
      if (word === 'answer' || word === 'right') step.answers += 1;
    }
    return all;
  }, []);

for (const [index, lesson] of lessons.entries()) {
  test(`the lesson ${lesson.name} goes from its list to its end`, { timeout: 900_000 }, async () => {
    await withLab(cpu, async (lab) => {
      await lab.reach('ready');
      const panel = new Lesson(lab);
      await panel.open(index);
      for (const [i, step] of lesson.steps.entries()) {
        assert.deepEqual(await panel.at(), { step: i + 1, of: lesson.steps.length });
        assert.equal(await panel.title.innerText(), step.title);
        if (step.place) assert.equal(await lab.page.locator('main').getAttribute('data-place'), step.place);
        if (step.load) await panel.load.click();
        assert.equal(await panel.answers.count(), step.answers);
        if (step.answers) {
          assert.equal(await panel.reveal.innerText(), '', 'revealed before it was predicted');
          assert.ok(!(await panel.ready()));
          await panel.answers.first().check();
        }
        if (step.race !== undefined) {
          assert.ok(!(await panel.ready()), 'goes on without its race');
          const began = Date.now();
          await lab.trainButton.click();
          await lab.reach('finished', 600_000);
          console.log(`${lesson.name}, step ${i + 1}: ${((Date.now() - began) / 1000).toFixed(1)} s`);
        }
        await panel.waitReady();
        if (step.answers) assert.ok((await panel.reveal.innerText()).length > 40);
        if (step.point) {
          await lab.page.waitForFunction((p) => document.querySelector('[data-pointed]')?.matches(`[data-testid="${p}"], [id="${p}"]`), step.point);
          await panel.show.click();
          assert.ok(await lab.page.locator('[data-pointed]').isVisible());
        }
        await panel.next.click();
      }
      assert.equal(await panel.panel.count(), 0, 'a finished lesson is closed');
      assert.equal(await panel.list.getByRole('button').count(), lessons.length);
      assert.equal(await panel.pointed(), null);
      assert.deepEqual(lab.errors, []);
    });
  });
}

test('a reload and the address come back to the same step, and a step can be skipped', async () => {
  await withLab(cpu, async (lab) => {
    await lab.reach('ready');
    const panel = new Lesson(lab);
    await panel.open(0);
    await panel.next.click();
    assert.ok(!(await panel.ready()));
    await panel.skip.click();
    await lab.page.waitForURL(/lesson=hard-samples&step=3/);
    await lab.page.reload();
    await lab.reach('ready');
    await panel.panel.waitFor();
    await lab.page.waitForFunction(() => /Step 3 of/.test(document.querySelector('[data-testid="lesson-step"]')?.textContent));
    await panel.back.click();
    assert.equal((await panel.at()).step, 2);
    await panel.close.click();
    await panel.list.waitFor();
    assert.doesNotMatch(lab.page.url(), /lesson=/);
    assert.deepEqual(lab.errors, []);
  });
});

test('a lesson whose text cannot be fetched says so, and tries again', async () => {
  // Else the service worker has the text already.
  await withLab({ ...cpu, context: { serviceWorkers: 'block' } }, async (lab) => {
    await lab.reach('ready');
    const panel = new Lesson(lab);
    await lab.page.route('**/lessons.txt', (route) => route.fulfill({ status: 503, body: 'busy' }));
    await lab.page.locator('[data-testid="place-lessons"]').click();
    await lab.page.getByText('the server answered 503').waitFor();
    await lab.page.unroute('**/lessons.txt');
    await panel.list.getByRole('button').click();
    await panel.list.getByRole('button').nth(3).waitFor();
    assert.deepEqual(lab.errors.filter((e) => !e.includes('503')), []);
  });
});

for (const colorScheme of ['light', 'dark']) {
  test(`no accessibility rule is broken in lessons, ${colorScheme}`, async () => {
    await withLab({ ...cpu, config: TINY, context: { colorScheme, bypassCSP: true } }, async (lab) => {
      await lab.reach('ready');
      const panel = new Lesson(lab);
      const clean = async (where) => {
        await lab.page.evaluate(axe);
        const { violations } = await lab.page.evaluate(() => window.axe.run());
        assert.deepEqual(violations.map((v) => `${where}: ${v.id}: ${v.help}: ${v.nodes.map((n) => n.html).join(' ')}`), []);
      };
      await lab.page.locator('[data-testid="place-lessons"]').click();
      await panel.list.getByRole('button').first().waitFor();
      await clean('list');
      await panel.list.getByRole('button').first().click();
      await panel.next.click();
      await panel.answers.first().check();
      await panel.waitReady();
      await clean('question');
      await lab.page.keyboard.press('?');
      await clean('keys');
    });
  });
}
