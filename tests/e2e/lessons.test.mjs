// Lessons as a person takes them: each from its list to its end, with its races, its predictions and its places.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { TINY, until, withLab } from './page/lab.mjs';

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

test('what a race comes to is not told in other places before it has', async () => {
  await withLab({ webgpu: 'no-adapter', config: { lesson: 'sparse', step: '2' } }, async (lab) => {
    const { lessons: panel, samples } = lab;
    await lab.reach('ready');
    await panel.reachesStep(2);
    await samples.open();
    await lab.whose(/Hardest of the built-in set/);
    await lab.goTo('ring');
    await panel.answers.first().check();
    await lab.page.waitForTimeout(500);
    assert.equal(await panel.reveal.innerText(), '');
    assert.ok(!(await panel.canGoOn()));
    assert.deepEqual(lab.errors, []);
  });
});

test('an experiment of one\'s own stays in the form while a lesson goes on', async () => {
  await withLab({ webgpu: 'no-adapter', config: { lesson: 'who-wins', step: '5', epochs: '5' } }, async (lab) => {
    await lab.reach('ready');
    await lab.lessons.reachesStep(5);
    await lab.page.waitForTimeout(1000);
    assert.equal(await lab.settings.epochs.inputValue(), '5');
    assert.match(lab.page.url(), /epochs=5/);
    assert.deepEqual(lab.errors, []);
  });
});

test('networks of another race are not the race that a lesson waits for', async () => {
  await withLab({ webgpu: 'no-adapter' }, async (lab) => {
    const { lessons: panel, samples } = lab;
    await lab.reach('ready');
    await samples.open();
    await until('images', async () => (await samples.images.count()) > 20);
    assert.equal(await lab.phase(), 'finished');
    await panel.open(1);
    await panel.answers.first().check();
    await panel.next.click();
    await panel.reachesStep(2);
    await panel.answers.first().check();
    await lab.page.waitForTimeout(500);
    assert.equal(await panel.reveal.innerText(), '');
    assert.ok(!(await panel.canGoOn()));
    assert.deepEqual(lab.errors, []);
  });
});

for (const [name, shown, learners, image] of [
  ['hard-samples', /Lesson: Train on the hard half/, ['Dense', 'Dense, random'], 'samples'],
  ['sparse', /Lesson: Train both/, ['Dense', 'SET 0.1'], 'inside'],
  ['who-wins', /Lesson: Place your bet/, ['Dense', 'SET 0.2', 'Dense, random', 'SET 0.2, random'], 'samples'],
  ['under-attack', /Lesson: Somebody to attack/, ['Dense', 'SET 0.2'], 'bench'],
]) {
  test(`a class takes the lesson ${name} without training: its races are watched, its networks looked at`, async () => {
    const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
    await withLab({ webgpu: 'no-adapter', config: { lesson: name }, context: phone, form: false }, async (lab) => {
      const { lessons: panel, replay, samples, bench, inside } = lab;
      const { steps } = lessons.find((lesson) => lesson.name === name);
      // Whatever is worked at is said in the status line.
      const said = await lab.everSaid();
      await lab.reach('ready');
      for (const [i, step] of steps.entries()) {
        await panel.reachesStep(i + 1);
        if (step.answers) await panel.answers.first().check();
        if (step.race !== undefined) {
          assert.ok(!(await panel.canGoOn()), 'goes on without its race');
          await panel.watch.click();
          await replay.shows(`Lesson: ${step.title}`);
          await replay.seek(1);
        }
        await panel.letsGoOn(30_000);
        if (step.answers) assert.ok((await panel.reveal.innerText()).length > 40);
        if (step.place === image) {
          await lab.whose(shown);
          if (image === 'samples') {
            await until('images', async () => (await samples.images.count()) > 20);
            await samples.chooseFirst();
            await until('everybody has answered', async () => {
              const said = await samples.chosen.innerText();
              return learners.every((learner) => said.includes(learner));
            });
          } else if (image === 'bench') {
            await bench.known.click();
            await until('a picture that both get right', async () => /^Dense rightly says .+; SET 0\.2 rightly says /.test(await bench.sentence.innerText()));
          } else {
            const rows = await inside.rows();
            const [active, total] = rows.reduce(([a, t], row) => [a + row.at(-2), t + row.at(-1)], [0, 0]);
            assert.ok(Math.abs(active / total - 0.1) < 0.005, `${active} of ${total}`);
          }
        }
        if (step.point) await panel.pointsAt(step.point);
        await panel.next.click();
      }
      assert.equal(await panel.panel.count(), 0, 'a finished lesson is closed');
      const worked = await said();
      assert.ok(worked.some((line) => /Fetching trained networks|Planning/i.test(line)), worked.join(' | '));
      assert.deepEqual(worked.filter((line) => /Scoring|Training|^Epoch/.test(line)), [], 'nothing is trained');
      assert.deepEqual(lab.errors, []);
    });
  });
}

test('who skips a race sees the recorded one that the next step speaks of', async () => {
  await withLab({ webgpu: 'no-adapter', config: { lesson: 'hard-samples', step: '4' } }, async (lab) => {
    await lab.reach('ready');
    await lab.lessons.reachesStep(4);
    await lab.replay.shows('Lesson: Train on the hard half');
    assert.equal(await lab.replay.at(), 1);
    assert.ok((await lab.chart.points()) > 10);
    assert.match(await lab.settings.said(), /Multilayer perceptron|LeNet/);
    assert.deepEqual(lab.errors, []);
  });
});

for (const [index, lesson] of lessons.entries()) {
  test(`the lesson ${lesson.name} goes from its list to its end`, { timeout: 900_000 }, async () => {
    await withLab(cpu, async (lab) => {
      const panel = lab.lessons;
      await lab.reach('ready');
      await panel.open(index);
      for (const [i, step] of lesson.steps.entries()) {
        assert.deepEqual(await panel.at(), { step: i + 1, of: lesson.steps.length });
        assert.equal(await panel.title.innerText(), step.title);
        if (step.place) assert.equal(await lab.place(), step.place);
        if (step.load) {
          await panel.setUp.click();
          // The race is the lesson's; two epochs of it are enough for the lesson to go on.
          const epochs = new URLSearchParams(step.load).get('epochs');
          await until(`${epochs} epochs`, async () => (await lab.settings.epochs.inputValue()) === epochs);
          await lab.settings.setEpochs(2);
        }
        assert.equal(await panel.answers.count(), step.answers);
        if (step.answers) {
          assert.equal(await panel.reveal.innerText(), '', 'revealed before it was predicted');
          assert.ok(!(await panel.canGoOn()));
          await panel.answers.first().check();
        }
        if (step.race !== undefined) {
          assert.ok(!(await panel.canGoOn()), 'goes on without its race');
          const began = Date.now();
          await lab.train();
          await lab.reach('finished', 600_000);
          console.log(`${lesson.name}, step ${i + 1}: ${((Date.now() - began) / 1000).toFixed(1)} s`);
        }
        await panel.letsGoOn();
        if (step.answers) assert.ok((await panel.reveal.innerText()).length > 40);
        if (step.point) {
          await panel.pointsAt(step.point);
          await panel.show.click();
          assert.ok(await panel.framed.isVisible());
        }
        await panel.next.click();
      }
      assert.equal(await panel.panel.count(), 0, 'a finished lesson is closed');
      assert.equal(await panel.entries.count(), lessons.length);
      assert.equal(await panel.pointed(), null);
      assert.deepEqual(lab.errors, []);
    });
  });
}

test('a reload and the address come back to the same step, and a step can be skipped', async () => {
  await withLab(cpu, async (lab) => {
    const panel = lab.lessons;
    await lab.reach('ready');
    await panel.open(0);
    await panel.next.click();
    assert.ok(!(await panel.canGoOn()));
    await panel.skip.click();
    await lab.page.waitForURL(/lesson=hard-samples&step=3/);
    await lab.reload();
    await panel.reachesStep(3);
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
    await lab.page.route('**/lessons.txt', (route) => route.fulfill({ status: 503, body: 'busy' }));
    await lab.goTo('lessons');
    await lab.says('the server answered 503');
    await lab.page.unroute('**/lessons.txt');
    await lab.lessons.tryAgain.click();
    await lab.lessons.entries.nth(3).waitFor();
    assert.deepEqual(lab.errors.filter((e) => !e.includes('503')), []);
  });
});

for (const colorScheme of ['light', 'dark']) {
  test(`no accessibility rule is broken in lessons, ${colorScheme}`, async () => {
    await withLab({ ...cpu, config: TINY, context: { colorScheme, bypassCSP: true } }, async (lab) => {
      const panel = lab.lessons;
      const clean = async (where) => assert.deepEqual(await lab.violations(), [], where);
      await lab.reach('ready');
      await lab.goTo('lessons');
      await panel.entries.first().waitFor();
      await clean('list');
      await panel.entries.first().click();
      await panel.next.click();
      await panel.answers.first().check();
      await panel.letsGoOn();
      await clean('question');
      await lab.page.keyboard.press('?');
      await lab.keys.list.waitFor();
      await clean('keys');
    });
  });
}
