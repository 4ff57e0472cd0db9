// The test bench: one picture, corrupted and attacked, and what every learner makes of it.
import { setTimeout as pause } from 'node:timers/promises';

import { cells, choose, mark, until } from './mark.mjs';
import { families } from './settings.mjs';

/** The pixels of a canvas, four bytes each. */
export const pixelsOf = (canvas) =>
  canvas.evaluate((c) => ({
    width: c.width,
    height: c.height,
    bytes: Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data),
  }));

export class Bench {
  constructor(lab) {
    this.lab = lab;
    const { page } = lab;
    this.page = page;
    this.sentence = mark(page, 'bench-sentence');
    this.learners = mark(page, 'bench-learner');
    this.index = mark(page, 'bench-index');
    this.known = mark(page, 'bench-known');
    this.next = mark(page, 'bench-next');
    this.previous = mark(page, 'bench-previous');
    this.file = mark(page, 'bench-file');
    this.kind = mark(page, 'bench-kind');
    this.severity = mark(page, 'bench-severity');
    this.norm = mark(page, 'bench-norm');
    this.epsilon = mark(page, 'bench-epsilon');
    this.took = mark(page, 'bench-took');
    this.table = mark(page, 'bench-numbers');
  }

  async open() {
    await this.lab.goTo('bench');
    await until('an answer', async () => (await this.sentence.textContent()).length > 1);
  }

  /** Sets a slider as its pointer would. */
  async slide(slider, value) {
    await slider.evaluate((input, to) => {
      input.value = to;
      input.dispatchEvent(new Event('input', { bubbles: true }));
    }, String(value));
  }

  /** Does something and waits until the bench has answered it. */
  async answered(work) {
    const before = await this.state();
    await work();
    await until('an answer', async () => (await this.state()) !== before);
    // An answer to the untouched picture comes first; the last has come when nothing moves any more.
    for (let last = '', now = await this.state(); now !== last; ) {
      last = now;
      await pause(700);
      now = await this.state();
    }
  }
  /** What the numbers are and how long they took: another answer is another state. */
  async state() {
    return (await this.table.or(this.took).allTextContents()).join();
  }

  /** Shows the numbers behind the bars. */
  unfoldNumbers() {
    return this.page.getByText('The numbers behind the bars').click();
  }
  /** Kinds of corruption by family: [family, [label, ..]]. */
  kinds() {
    return families(this.kind);
  }
  /** Shows where a picture of one's own is chosen. */
  unfoldOwn() {
    return this.page.getByText('Your own picture', { exact: true }).click();
  }
  /** Chooses a picture of one's own. */
  bring(name, type, content) {
    return choose(this.file, name, type, content);
  }

  before() {
    return pixelsOf(mark(this.page, 'bench-before'));
  }
  after() {
    return pixelsOf(mark(this.page, 'bench-after'));
  }
  saw(learner) {
    return pixelsOf(mark(this.learners.nth(learner), 'bench-saw'));
  }
  change(learner) {
    return pixelsOf(mark(this.learners.nth(learner), 'bench-change'));
  }
  /** By how much the change of a learner is magnified. */
  async factor(learner) {
    const text = await mark(this.learners.nth(learner), 'bench-factor').innerText();
    return Number(text.match(/(\d+) times/)?.[1] ?? 1);
  }
  /** What is said of the size of a learner's change. */
  changed(learner) {
    return mark(this.learners.nth(learner), 'bench-changed').innerText();
  }

  /** The table behind the bars: rows of [class, untouched, now, untouched, now, ..]. */
  numbers() {
    return cells(this.table);
  }
  /** The bars of a learner: rows of [class, percent]. */
  async bars(learner) {
    return (await cells(this.learners.nth(learner))).map(([name, , percent]) => [name, percent]);
  }
}
