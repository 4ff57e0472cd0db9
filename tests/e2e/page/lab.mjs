// The page as a person uses it: what is there in every place, and the way to each place. Tests speak of training and curves; only the
// files of this folder know how the page is marked up.
import { readFile } from 'node:fs/promises';

import { lend, watchErrors } from '../browser.mjs';
import { Bench } from './bench.mjs';
import { Findings } from './findings.mjs';
import { Inside } from './inside.mjs';
import { Keys } from './keys.mjs';
import { Lessons } from './lessons.mjs';
import { mark, until } from './mark.mjs';
import { Replay } from './replay.mjs';
import { Chart, Numbers, Quiz, Score, Watched } from './ring.mjs';
import { Runs } from './runs.mjs';
import { Samples } from './samples.mjs';
import { Device, Settings, Take } from './settings.mjs';
import { Shell } from './shell.mjs';
import { Teacher } from './teacher.mjs';

export { until };

/** A race of two learners that a software GPU can train: the built-in images, the tiny network. */
export const TINY = {
  dataset: 'builtin',
  model: 'tiny',
  subset: 'all',
  control: 'false',
  learners: 'dense,set@0.2',
  limit_train: '64',
  limit_test: '32',
  batch_size: '16',
  update_frequency: '1',
  epochs: '2',
};

/**
 * Opens the page in a context of its own, hands it to `work`, and closes it. `webgpu` is what the browser has of it, `config` stands in
 * the link, `context` are Playwright's options; `at` is where the page is served, if not at the root of the tests' server, and
 * `before` comes before the page is opened. `form` is whether this browser remembers the form as open.
 */
export async function withLab({ webgpu = 'software', config = {}, context = {}, at = (url) => url, before = () => {}, form = true }, work) {
  const { browser, url, giveBack } = await lend(webgpu);
  try {
    const own = await browser.newContext(context);
    try {
      const page = await own.newPage();
      const lab = new Lab(page, watchErrors(page));
      await lab.settings.remembered(form);
      await before(lab);
      await page.goto(`${at(url)}?${new URLSearchParams(config)}`);
      await work(lab);
    } finally {
      await own.close();
    }
  } finally {
    giveBack();
  }
}

export class Lab {
  constructor(page, errors) {
    this.page = page;
    /** Whatever went wrong on the page or in its workers. */
    this.errors = errors;
    this.trainButton = mark(page, 'train-button');
    this.pauseButton = mark(page, 'pause-button');
    this.stepButton = mark(page, 'step-button');
    this.resetButton = mark(page, 'reset-button');
    this.stride = mark(page, 'stride-select');
    this.load = mark(page, 'load-slider');
    this.status = mark(page, 'status');
    this.errorPanel = mark(page, 'error-panel');
    this.warnings = mark(page, 'warnings');
    this.remark = mark(page, 'remark');
    this.settings = new Settings(page);
    this.shell = new Shell(page);
    this.device = new Device(page);
    this.take = new Take(page);
    this.chart = new Chart(page);
    this.score = new Score(page);
    this.watched = new Watched(page);
    this.quiz = new Quiz(page);
    this.numbers = new Numbers(page);
    this.replay = new Replay(page);
    this.keys = new Keys(page);
    this.teacher = new Teacher(page);
    this.samples = new Samples(this);
    this.bench = new Bench(this);
    this.inside = new Inside(this);
    this.lessons = new Lessons(this);
    this.runs = new Runs(this);
    this.findings = new Findings(this);
  }

  // Where it stands.

  /** starting, loading, ready, training, paused, stopped, finished or failed. */
  phase() {
    return this.status.getAttribute('data-phase');
  }

  /** Waits for one of these phases; a failure on the page ends the wait with the page's own words. */
  async reach(phases, timeout = 120_000) {
    const wanted = [phases].flat();
    let phase = 'not mounted';
    const reached = async () => {
      phase = (await this.status.count()) ? await this.phase() : 'not mounted';
      if (phase === 'failed' && !wanted.includes(phase)) throw new Error(`the page failed: ${await this.errorPanel.innerText()}`);
      return wanted.includes(phase) && phase;
    };
    return until(wanted.join(' or '), reached, timeout).catch((error) => {
      const seen = this.errors.length ? `; errors: ${this.errors.join('\n')}` : '';
      throw new Error(`${error.message}; the page is ${phase}${seen}`);
    });
  }

  /** Waits until the line under the buttons matches. */
  async stands(pattern, timeout) {
    return until(`a line like ${pattern}`, async () => pattern.test(await this.status.innerText()), timeout);
  }

  /** Points that were reported for the curves. */
  points() {
    return this.chart.points();
  }

  /** Waits until there are more than `count` points. */
  async morePointsThan(count, timeout = 120_000) {
    return until(`more than ${count} points`, async () => {
      const points = await this.points();
      if (points > count) return points;
      if ((await this.phase()) === 'failed') throw new Error(`the page failed: ${await this.errorPanel.innerText()}`);
      return 0;
    }, timeout);
  }

  // What a person does.

  /** Begins a race, or goes on with it. */
  train() {
    return this.trainButton.click();
  }
  pause() {
    return this.pauseButton.click();
  }
  reset() {
    return this.resetButton.click();
  }
  /** One step; `stride` is batch, epoch or update, if not as before. */
  async step(stride) {
    if (stride) await this.stride.selectOption(stride);
    await this.stepButton.click();
  }
  /** Presses buttons one right after the other: train, pause, step, stop, reset. */
  async hurry(...names) {
    await this.page.evaluate(async (ids) => {
      for (const id of ids) {
        document.querySelector(`[data-testid="${id}-button"]`).click();
        await new Promise((done) => setTimeout(done));
      }
    }, names);
  }
  /** A race from its beginning to its end. */
  async race(timeout = 120_000) {
    await this.reach(['ready', 'finished']);
    await this.train();
    await this.reach('finished', timeout);
  }
  /** Comes back to the same address. */
  async reload() {
    await this.page.reload();
    // In a place that looks at networks those that ship are opened at once.
    await this.reach(['ready', 'finished']);
  }

  /** Drops a file in the middle of the page. */
  drop(name, content) {
    return this.page.evaluate(
      ([name, bytes]) => {
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([new Uint8Array(bytes)], name));
        for (const kind of ['dragover', 'drop']) {
          const event = new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true });
          document.querySelector('main').dispatchEvent(event);
          if (!event.defaultPrevented) throw new Error(`${kind} of ${name} is left to the browser`);
        }
      },
      [name, [...Buffer.from(content)]],
    );
  }
  /** The same address in another tab of the same browser. */
  async secondTab() {
    const page = await this.page.context().newPage();
    const other = new Lab(page, watchErrors(page));
    await page.goto(this.page.url());
    return other;
  }

  // Where one is.

  /** The way to a place in the menu. */
  way(place) {
    return mark(this.page, `place-${place}`);
  }
  /** Goes to a place. */
  async goTo(place) {
    await this.way(place).click();
    await this.isAt(place);
  }
  /** Waits until the page shows a place. */
  async isAt(place) {
    return until(`the place ${place}`, async () => (await this.place()) === place);
  }
  /** The place that is shown. */
  place() {
    return this.page.locator('main').getAttribute('data-place');
  }
  /** The button of such a place that opens the networks of the recorded run that is shown. */
  get openHere() {
    return mark(this.page, 'place-open');
  }
  /** The button of a place that needs a learner first. */
  get trainHere() {
    return mark(this.page, 'place-train');
  }
  /** Everything that can be read on the page now. */
  text() {
    return this.page.locator('body').innerText();
  }
  /** Waits until the page says this. */
  says(words) {
    return this.page.getByText(words).first().waitFor();
  }

  /** Waits until the page says something like this in passing. */
  remarks(pattern) {
    return until(`a remark like ${pattern}`, async () => pattern.test(await this.remark.textContent()));
  }
  /** From now on: hands out all that the status line has said. */
  async everSaid() {
    await this.status.waitFor({ state: 'attached' });
    await this.page.evaluate(() => {
      const line = document.querySelector('[data-testid="status"]');
      window.everSaid = [line.textContent];
      new MutationObserver(() => window.everSaid.push(line.textContent)).observe(line, { childList: true, characterData: true, subtree: true });
    });
    return () => this.page.evaluate(() => window.everSaid);
  }
  /** Waits until a place says whose networks it looks at. */
  async whose(pattern) {
    const words = mark(this.page, 'networks-whose');
    return until(`networks of ${pattern}`, async () => (await words.count()) > 0 && pattern.test(await words.innerText()));
  }
  /** Closes what was said in passing. */
  closeRemark() {
    return mark(this.page, 'remark-close').click();
  }

  // When something goes wrong.

  /** Waits until the page says that its trainer does not answer. */
  unanswered(timeout) {
    return until('a trainer that does not answer', () => this.newTrainer.isVisible(), timeout);
  }
  /** Waits until those words are gone. */
  answers(timeout) {
    return until('a trainer that answers', async () => !(await this.newTrainer.isVisible()), timeout);
  }
  /** The button that gives up a trainer that does not answer. */
  get newTrainer() {
    return mark(this.page, 'new-trainer');
  }

  /** Waits for the page's words about a failure. */
  async failure(timeout = 120_000) {
    await this.errorPanel.waitFor({ timeout });
    return this.errorPanel.innerText();
  }
  /** The buttons that offer a way on. */
  get waysOn() {
    return this.errorPanel.getByRole('button');
  }
  /** Takes a way on that is offered. */
  goOn(words) {
    return this.errorPanel.getByRole('button', { name: words }).click();
  }
  /** The offer of a new version. */
  get newVersion() {
    return this.page.locator('#new-version');
  }

  /** What axe finds wrong. Its context must bypass the page's security policy, which forbids scripts from outside. */
  async violations() {
    await this.page.evaluate(await readFile(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8'));
    const found = await this.page.evaluate(() => window.axe.run());
    return found.violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html).join(' ')}`);
  }

  /** Whether what has the focus is seen to have it; the document itself needs no frame. */
  focusIsSeen() {
    return this.page.evaluate(() => {
      const style = getComputedStyle(document.activeElement);
      return document.activeElement === document.body || (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2);
    });
  }
  /** What can be pressed now, in words. */
  buttons() {
    return this.page.getByRole('button').locator('visible=true').allInnerTexts();
  }
  /** From here on remembers every line under the buttons; call the result for them. */
  async lines() {
    await this.status.evaluate((line) => {
      window.lines = [];
      new MutationObserver(() => window.lines.push(line.textContent)).observe(line, { childList: true, characterData: true, subtree: true });
    });
    return () => this.page.evaluate(() => window.lines);
  }
  /** Headings of the middle of the page. */
  headings() {
    return this.page.locator('.ring h2').allTextContents();
  }
  /** Watches for so long what is read out: for each region the times at which it changed, in milliseconds. */
  readOut(milliseconds) {
    return this.page.evaluate(async (pause) => {
      const times = {};
      const regions = [...document.querySelectorAll('[aria-live]')];
      const watch = new MutationObserver((changes) => {
        for (const region of new Set(changes.map((c) => regions.find((r) => r.contains(c.target))))) {
          (times[regions.indexOf(region)] ??= []).push(Math.round(performance.now()));
        }
      });
      for (const region of regions) watch.observe(region, { childList: true, characterData: true, subtree: true });
      await new Promise((resolve) => setTimeout(resolve, pause));
      return times;
    }, milliseconds);
  }
  /** How many elements the page has, without the tables behind drawings, which have a row an epoch. */
  elements() {
    return this.page.evaluate(() => document.querySelectorAll('*').length - document.querySelectorAll('details.table *').length);
  }
  /** Presses Tab until this has the focus. */
  async tabTo(target) {
    for (let i = 0; i < 80; i += 1) {
      if (await target.evaluate((element) => element === document.activeElement)) return;
      await this.page.keyboard.press('Tab');
    }
    throw new Error(`Tab never reaches ${target}`);
  }
}
