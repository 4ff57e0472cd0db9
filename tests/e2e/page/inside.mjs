// The inside of the networks: masks, densities, weights.
import { pixelsOf } from './bench.mjs';
import { cells, mark, until } from './mark.mjs';

export class Inside {
  constructor(lab) {
    this.lab = lab;
    const { page } = lab;
    this.page = page;
    this.learner = mark(page, 'inside-learner');
    this.layer = mark(page, 'inside-layer');
    this.mask = mark(page, 'inside-mask');
    this.extent = mark(page, 'inside-extent');
    this.change = mark(page, 'inside-change');
    this.densities = mark(page, 'inside-densities');
    this.explored = mark(page, 'inside-explored');
    this.histogram = mark(page, 'inside-histogram');
    this.bins = mark(page, 'inside-bins');
  }

  async open() {
    await this.lab.goTo('inside');
    await this.drawn();
  }
  /** Waits until the weights are drawn. */
  drawn() {
    return this.histogram.locator('svg').waitFor();
  }
  /** Shows every table behind a drawing. */
  async unfoldNumbers() {
    for (const summary of await this.page.getByText('The numbers behind it').all()) await summary.click();
  }
  /** Waits until a part says what matches, and gives its words. */
  async says(part, pattern) {
    await part.filter({ hasText: pattern }).waitFor();
    return part.innerText();
  }
  /** Rows of [layer, density, ERK's, active, total]. */
  async rows() {
    const rows = await cells(this.densities);
    return rows.map((row) => row.map((cell) => cell.replaceAll(',', ''))).map(([layer, , ...numbers]) => [layer, ...numbers.map(Number)]);
  }
  /** How many weights the histogram counts. */
  async counted() {
    return (await cells(this.bins)).reduce((sum, row) => sum + Number(row[2].replaceAll(',', '')), 0);
  }
  /** How many curves show what was explored. */
  curves() {
    return this.explored.locator('svg path').count();
  }
  /** The button of a layer in the table. */
  layerButton(index) {
    return this.densities.locator('button').nth(index);
  }
  /** Whether the table says that a layer is the one shown. */
  isPressed(index) {
    return this.layerButton(index).getAttribute('aria-pressed');
  }
  /** The number of the last mask update. */
  async update() {
    return Number((await this.change.innerText()).match(/Update (\d+):/)[1]);
  }
  /** The mask as it is drawn. */
  picture() {
    return this.mask.evaluate((canvas) => canvas.toDataURL());
  }
  /** Waits until the mask is drawn otherwise. */
  otherPictureThan(old) {
    return until('another mask', async () => (await this.picture()) !== old);
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
