// The page as a person uses it. Tests speak of training and curves; only this file knows how the page is marked up.
import { readFile } from 'node:fs/promises';

import { launch, watchErrors } from './browser.mjs';

const id = (name) => `[data-testid="${name}"]`;

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

/** What axe finds wrong with a page. Its context must bypass the page's security policy, which forbids scripts from outside. */
export async function violations(page) {
  await page.evaluate(await readFile(new URL('./node_modules/axe-core/axe.min.js', import.meta.url), 'utf8'));
  const found = await page.evaluate(() => window.axe.run());
  return found.violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html).join(' ')}`);
}

/** Opens the page in a browser of its own, hands it to `work`, and closes both. */
export async function withLab({ webgpu = 'software', config = {}, context = {} }, work) {
  const { browser, url, close } = await launch(webgpu);
  try {
    const page = await (await browser.newContext(context)).newPage();
    const lab = new Lab(page, watchErrors(page));
    await page.goto(`${url}?${new URLSearchParams(config)}`);
    await work(lab);
  } finally {
    await close();
  }
}

export class Lab {
  constructor(page, errors) {
    this.page = page;
    this.errors = errors;
    this.trainButton = page.locator(id('train-button'));
    this.pauseButton = page.locator(id('pause-button'));
    this.stepButton = page.locator(id('step-button'));
    this.resetButton = page.locator(id('reset-button'));
    this.presets = page.locator(id('preset-select'));
    this.deviceLine = page.locator(id('device-line'));
    this.table = page.locator(id('learners-table'));
    this.errorPanel = page.locator(id('error-panel'));
    this.status = page.locator(id('status'));
    this.chart = page.locator(id('chart'));
  }

  /** starting, loading, ready, training, paused, stopped, finished or failed. */
  phase() {
    return this.status.getAttribute('data-phase');
  }

  /** Waits for one of these phases; a failure on the page ends the wait with the page's own words. */
  async reach(phases, timeout = 120_000) {
    const wanted = [phases].flat();
    const end = Date.now() + timeout;
    for (;;) {
      const phase = (await this.status.count()) ? await this.phase() : 'not mounted';
      if (wanted.includes(phase)) return phase;
      if (phase === 'failed') throw new Error(`the page failed: ${await this.errorPanel.innerText()}`);
      if (Date.now() > end) {
        const seen = this.errors.length ? `; errors: ${this.errors.join('\n')}` : '';
        throw new Error(`waited ${timeout} ms for ${wanted.join(' or ')}, the page is ${phase}${seen}`);
      }
      await this.page.waitForTimeout(50);
    }
  }

  /** Points drawn in the chart. */
  async points() {
    return (await this.chart.count()) ? Number(await this.chart.getAttribute('data-points')) : 0;
  }

  /** Waits until the chart has more than `count` points. */
  async morePointsThan(count, timeout = 120_000) {
    const end = Date.now() + timeout;
    for (;;) {
      const points = await this.points();
      if (points > count) return points;
      const phase = await this.phase();
      if (phase === 'failed') throw new Error(`the page failed: ${await this.errorPanel.innerText()}`);
      if (Date.now() > end) throw new Error(`waited ${timeout} ms for more than ${count} points; the page is ${phase}`);
      await this.page.waitForTimeout(50);
    }
  }

  /** The learners' table as rows of cells. */
  async rows() {
    const rows = await this.table.locator('tbody tr').all();
    return Promise.all(rows.map(async (row) => (await row.locator('th, td').allInnerTexts()).map((cell) => cell.trim())));
  }
}
