// The test bench and the inside of the networks as page objects.
const id = (name) => `[data-testid="${name}"]`;

/** A race whose learners are done, on the CPU backend; its networks can still be asked. */
export async function trained(lab) {
  await lab.reach('ready');
  await lab.trainButton.click();
  await lab.reach('finished');
}

/** The pixels of a canvas, four bytes each. */
const pixelsOf = (canvas) =>
  canvas.evaluate((c) => ({
    width: c.width,
    height: c.height,
    bytes: Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data),
  }));

export class Bench {
  constructor(lab) {
    this.lab = lab;
    this.page = lab.page;
    this.sentence = this.page.locator(id('bench-sentence'));
    this.learners = this.page.locator(id('bench-learner'));
    this.index = this.page.locator(id('bench-index'));
    this.next = this.page.locator(id('bench-next'));
    this.previous = this.page.locator(id('bench-previous'));
    this.random = this.page.locator(id('bench-random'));
    this.file = this.page.locator(id('bench-file'));
    this.kind = this.page.locator(id('bench-kind'));
    this.severity = this.page.locator(id('bench-severity'));
    this.norm = this.page.locator(id('bench-norm'));
    this.epsilon = this.page.locator(id('bench-epsilon'));
    this.steps = this.page.locator(id('bench-steps'));
    this.took = this.page.locator(id('bench-took'));
  }

  async open() {
    await this.page.locator(id('place-bench')).click();
    await this.page.waitForFunction((s) => document.querySelector(s)?.textContent.length > 1, id('bench-sentence'));
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
    await this.page.waitForFunction((old) => {
      const now = [...document.querySelectorAll('[data-testid="bench-numbers"], [data-testid="bench-took"]')].map((e) => e.textContent).join();
      return now !== old;
    }, before);
    // An answer to the untouched picture comes first; the last has come when nothing moves any more.
    for (let last = '', now = await this.state(); now !== last; ) {
      last = now;
      await this.page.waitForTimeout(700);
      now = await this.state();
    }
  }

  state() {
    return this.page.evaluate(() =>
      [...document.querySelectorAll('[data-testid="bench-numbers"], [data-testid="bench-took"]')].map((e) => e.textContent).join(),
    );
  }

  before() {
    return pixelsOf(this.page.locator(id('bench-before')));
  }
  after() {
    return pixelsOf(this.page.locator(id('bench-after')));
  }
  saw(learner) {
    return pixelsOf(this.learners.nth(learner).locator(id('bench-saw')));
  }
  change(learner) {
    return pixelsOf(this.learners.nth(learner).locator(id('bench-change')));
  }
  /** By how much the change of a learner is magnified. */
  async factor(learner) {
    const text = await this.learners.nth(learner).locator(id('bench-factor')).innerText();
    return Number(text.match(/(\d+) times/)?.[1] ?? 1);
  }
  /** What is said of the size of a learner's change. */
  changed(learner) {
    return this.learners.nth(learner).locator(id('bench-changed')).innerText();
  }

  /** The table behind the bars: rows of [class, untouched, now, untouched, now, ..]. */
  numbers() {
    return this.page.locator(`${id('bench-numbers')} tbody tr`).evaluateAll((rows) => rows.map((r) => [...r.cells].map((c) => c.textContent)));
  }
  /** The bars of a learner: rows of [class, percent]. */
  bars(learner) {
    return this.learners
      .nth(learner)
      .locator('tbody tr')
      .evaluateAll((rows) => rows.map((r) => [r.cells[0].textContent, r.cells[2].textContent]));
  }
}

export class Inside {
  constructor(lab) {
    this.page = lab.page;
    this.learner = this.page.locator(id('inside-learner'));
    this.layer = this.page.locator(id('inside-layer'));
    this.mask = this.page.locator(id('inside-mask'));
    this.extent = this.page.locator(id('inside-extent'));
    this.change = this.page.locator(id('inside-change'));
    this.densities = this.page.locator(id('inside-densities'));
    this.explored = this.page.locator(id('inside-explored'));
    this.histogram = this.page.locator(id('inside-histogram'));
    this.bins = this.page.locator(id('inside-bins'));
  }

  async open() {
    await this.page.locator(id('place-inside')).click();
    await this.histogram.locator('svg').waitFor();
  }

  /** Waits until the text matches. */
  async says(locator, pattern) {
    await locator.filter({ hasText: pattern }).waitFor();
    return locator.innerText();
  }

  /** Rows of [layer, density, ERK's, active, total]. */
  rows() {
    return this.densities.locator('tbody tr').evaluateAll((rows) =>
      rows.map((r) => [...r.cells].map((c) => c.textContent.replaceAll(',', ''))).map(([layer, , ...numbers]) => [layer, ...numbers.map(Number)]),
    );
  }

  /** How many pixels of the mask have each of the legend's colours: none, a weight, grown, pruned, and anything else. */
  async colours() {
    const { width, height, bytes } = await pixelsOf(this.mask);
    const swatches = await this.page.locator('.legend i').evaluateAll((all) => all.map((e) => getComputedStyle(e).color.match(/\d+/g).map(Number)));
    const counts = [0, 0, 0, 0, 0];
    for (let i = 0; i < bytes.length; i += 4) {
      const found = swatches.findIndex((s) => s.every((v, c) => v === bytes[i + c]));
      counts[found < 0 ? 4 : found] += 1;
    }
    return { width, height, counts };
  }
}
