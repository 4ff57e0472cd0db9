// Runs: the list of recorded, kept and brought ones, what is taken away of them, and this browser's files that hold them.
import { readFile } from 'node:fs/promises';

import { mark, until } from './mark.mjs';

export class Runs {
  constructor(lab) {
    this.lab = lab;
    const { page } = lab;
    this.page = page;
    this.list = mark(page, 'runs-list');
    this.comparison = mark(page, 'comparison');
    /** The chosen runs in one drawing. */
    this.overlay = mark(page, 'overlay');
    this.csv = mark(page, 'runs-csv');
    this.json = mark(page, 'runs-json');
    this.svg = mark(page, 'chart-svg');
    this.png = mark(page, 'chart-png');
  }

  async open() {
    await this.lab.goTo('runs');
    await this.list.waitFor();
  }
  /** The row of the run whose name has this in it. */
  row(name) {
    return this.list.locator('tbody tr', { hasText: name });
  }
  /** Rows whose run is kept in this browser. */
  get kept() {
    return this.row('Kept here');
  }
  /** Rows whose run came as a file. */
  get brought() {
    return this.row('From a file');
  }
  /** A row's button. */
  button(row, words) {
    return row.getByRole('button', { name: words, exact: true });
  }
  /** Presses a row's button. */
  press(row, words) {
    return this.button(row, words).click();
  }
  rename(row, name) {
    this.page.once('dialog', (dialog) => dialog.accept(name));
    return this.press(row, 'Rename');
  }
  delete(row) {
    this.page.once('dialog', (dialog) => dialog.accept());
    return this.press(row, 'Delete');
  }
  /** Waits until a row is gone. */
  gone(row) {
    return row.waitFor({ state: 'detached' });
  }
  /** Puts these runs side by side, and waits until they are: what a run holds is fetched when it is first chosen. */
  async compare(...names) {
    for (const name of names) await this.row(name).getByRole('checkbox').check();
    await until(`a comparison of ${names.join(' and ')}`, async () => {
      const [text] = await this.comparison.allInnerTexts();
      return names.every((name) => text?.includes(`· ${name}`));
    });
  }
  /** The letters that the lines of the comparison end in. */
  async letters() {
    const texts = await this.overlay.locator('text').allTextContents();
    return texts.filter((text) => /^[A-Z]$/.test(text)).sort().join('');
  }
  /** Waits until the lines of the comparison end in such letters. */
  lettersAre(pattern) {
    return until(`letters like ${pattern}`, async () => pattern.test(await this.letters()));
  }
  /** Draws something else of the compared runs. */
  async overlayShows(series) {
    const before = await this.overlay.innerHTML();
    await mark(this.page.locator('.runs'), series).click();
    await until('another drawing', async () => (await this.overlay.innerHTML()) !== before);
  }

  /** Of a learner that the trainer holds: the button of its weights, or of its masks and scores. */
  held(words, learner = '') {
    return mark(this.page, 'runs-held').locator('tr', { hasText: learner }).getByRole('button', { name: words }).first();
  }
  /** Presses a button that hands out a file; gives its name, bytes and text. */
  async file(button) {
    const [download] = await Promise.all([this.page.waitForEvent('download'), button.click()]);
    const bytes = await readFile(await download.path());
    return { name: download.suggestedFilename(), bytes, text: bytes.toString() };
  }
  /** Brings files: { name, text } each. */
  async bring(files) {
    const list = files.map(({ name, text }) => ({ name, mimeType: 'application/json', buffer: Buffer.from(text) }));
    await mark(this.page, 'runs-import').setInputFiles(list);
  }

  /** Names of the files that hold runs in this browser's private folder. */
  files() {
    return this.page.evaluate(async () => {
      const names = [];
      for await (const name of (await navigator.storage.getDirectory()).keys()) if (name.startsWith('run-')) names.push(name);
      return names.sort();
    });
  }
  /** How many of them are whole: those that are being written have another name. */
  async whole() {
    return (await this.files()).filter((name) => !name.endsWith('.part')).length;
  }
  /** Waits until that many files hold runs. */
  filesAre(count) {
    return until(`${count} files of runs`, async () => (await this.whole()) === count);
  }
  /** Waits until a race is kept after an epoch at least. */
  keeps(timeout = 240_000) {
    return until('a checkpoint', async () => (await this.whole()) >= 2, timeout);
  }
  /** Writes a file of the private folder. */
  write(name, text) {
    return this.page.evaluate(
      async ([name, text]) => {
        const folder = await navigator.storage.getDirectory();
        const writer = await (await folder.getFileHandle(name, { create: true })).createWritable();
        await writer.write(text);
        await writer.close();
      },
      [name, text],
    );
  }
}
