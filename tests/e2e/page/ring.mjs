// The ring: curves, score, measured numbers.
import assert from 'node:assert/strict';

import { mark, until } from './mark.mjs';

export class Chart {
  constructor(page) {
    this.page = page;
    this.drawing = mark(page, 'chart');
    this.key = mark(page, 'chart-key');
    this.smoothing = mark(page, 'chart-smooth');
    this.logarithm = mark(page, 'chart-log');
    this.whole = mark(page, 'chart-whole');
  }

  /** Points that were reported; 0 where there is no chart. */
  async points() {
    return (await this.drawing.count()) ? Number(await this.drawing.getAttribute('data-points')) : 0;
  }
  /** Draws what this chip says: train, loss, test, gap... */
  show(series) {
    return mark(this.page, series).click();
  }
  /** What is drawn, in words. */
  series() {
    return this.drawing.getAttribute('data-series');
  }
  /** The course of a kind of learner: dense or sparse. */
  course(kind) {
    return this.drawing.locator(`path.line.${kind}:not(.control)`).getAttribute('d');
  }
  /** The colours of the first lines of both kinds of learners. */
  strokes() {
    const stroke = (kind) => this.drawing.locator(`path.line.${kind}`).first().evaluate((line) => getComputedStyle(line).stroke);
    // A line that is drawn anew at this moment has none.
    return Promise.all(['dense', 'sparse'].map((kind) => until(`a ${kind} line`, () => stroke(kind))));
  }
  /** How many lines of a kind of learner there are. */
  lines(kind) {
    return this.drawing.locator(`path.line.${kind}`).count();
  }
  /** How many bands of several seeds there are. */
  bands() {
    return this.drawing.locator('path.band').count();
  }
  /** How many lines and lone points of learners there are. */
  drawn() {
    return this.drawing.locator('path.line[d^=M], circle').count();
  }
  /** The numbers behind it as rows of cells: epoch, learning rate, learners; the latest first. */
  async rows() {
    const rows = await mark(this.page, 'chart-table').locator('tbody tr').all();
    return Promise.all(rows.map((row) => row.locator('th, td').allTextContents()));
  }
  /** What stands in the chart where it has nothing to draw; else nothing. */
  async why() {
    const words = this.page.locator('.chart .empty');
    return (await words.isVisible()) ? words.innerText() : '';
  }
  /** Waits until keys are its own. */
  hasFocus() {
    return until('the focus on the chart', () => this.drawing.evaluate((drawing) => drawing === document.activeElement));
  }
  /** Reads it at a share of its width: the epoch that it says, and how wide it is. */
  async reading(share) {
    await this.drawing.scrollIntoViewIfNeeded();
    const { x, y, width } = await this.drawing.boundingBox();
    await this.page.mouse.move(x + width * share, y + 80);
    const place = await until('a reading', () => this.key.locator('.place').innerText());
    return { epoch: Number(place.match(/at epoch ([\d.]+)/)[1]), width };
  }
  /** Draws out a part of the x axis, from one share of the width to another. */
  async drag(from, to) {
    const { x, y, width } = await this.drawing.boundingBox();
    await this.page.mouse.move(x + width * from, y + 100);
    await this.page.mouse.down();
    await this.page.mouse.move(x + width * to, y + 100);
    await this.page.mouse.up();
  }
}

export class Score {
  constructor(page) {
    this.board = mark(page, 'scoreboard');
    this.verdict = mark(page, 'verdict');
  }

  /** What stands in each corner: its number, and whose it is. */
  async corners() {
    const corners = this.board.locator('.score');
    const all = async (part) => corners.locator(part).allInnerTexts();
    const [numbers, captions] = [await all('strong'), await all('span')];
    return numbers.map((number, i) => ({ number: Number(number.replace('%', '')), caption: captions[i] }));
  }
}

/** Ten hard images, a person against the networks. */
export class Quiz {
  constructor(page) {
    this.begin = mark(page, 'quiz-open');
    this.dialog = mark(page, 'quiz');
    this.result = mark(page, 'quiz-result');
    /** What the last picture was. */
    this.was = mark(page, 'quiz-was');
    this.save = mark(page, 'quiz-save');
    this.again = mark(page, 'quiz-again');
  }

  /** Says that what is shown is of this class, by its number. */
  say(number) {
    return this.dialog.getByRole('group').getByRole('button').nth(number).click();
  }
  /** What stands over the picture. */
  question() {
    return this.dialog.locator('p').first().innerText();
  }
}

/** The hard test images between the corners. */
export class Watched {
  constructor(page) {
    this.all = mark(page, 'watched');
    this.fetch = mark(page, 'watched-fetch');
    this.pictures = this.all.locator('img');
    this.networks = mark(page, 'scoreboard').locator('svg.network');
  }

  /** How many images lie where, by the words above them. */
  async groups() {
    const groups = await this.all.locator('.shots:visible').all();
    const all = groups.map(async (group) => {
      const [words, count] = (await group.locator('h3').innerText()).match(/^(.*?) (\d+)$/).slice(1);
      assert.equal(await group.locator('li').count(), Number(count), words);
      return [words, Number(count)];
    });
    return Object.fromEntries(await Promise.all(all));
  }
}

export class Numbers {
  constructor(page) {
    this.card = mark(page, 'honest-numbers');
    this.table = mark(page, 'learners-table');
  }

  /** The table as rows of cells, the first with the learners' names. */
  async rows() {
    const rows = await this.table.locator('tbody tr').all();
    return Promise.all(rows.map(async (row) => (await row.locator('th, td').allInnerTexts()).map((cell) => cell.trim())));
  }
  /** The row of this name: a cell a learner. */
  async row(name) {
    return (await this.rows()).find(([head]) => head === name)?.slice(1) ?? [];
  }
}
