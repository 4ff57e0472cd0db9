// Replay and runs as a person uses them: only this file knows how they are marked up.
import { readFile } from 'node:fs/promises';

const id = (name) => `[data-testid="${name}"]`;

/** What of the page is about runs. */
export class Runs {
  constructor(lab) {
    this.lab = lab;
    this.page = lab.page;
    this.bar = this.page.locator(id('replay'));
    this.play = this.page.locator(id('replay-play'));
    this.place = this.page.locator(id('replay-place'));
    this.speed = this.page.locator(id('replay-speed'));
    this.trainThis = this.page.locator(id('replay-train'));
    this.resume = this.page.locator(id('resume'));
    this.list = this.page.locator(id('runs-list'));
    this.remark = this.page.locator(id('runs-remark'));
    this.comparison = this.page.locator(id('comparison'));
  }

  /** Goes to the place of runs. */
  async open() {
    await this.page.locator(id('place-runs')).click();
    await this.list.waitFor();
  }

  /** The row of the run whose name has this in it. */
  row(name) {
    return this.list.locator('tbody tr', { hasText: name });
  }

  /** Rows whose run is kept in this browser. */
  kept() {
    return this.row('Kept here');
  }

  /** Presses a row's button. */
  async press(row, words) {
    await row.getByRole('button', { name: words, exact: true }).click();
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
    await this.page.locator(id('runs-import')).setInputFiles(list);
  }

  /** Names of the files that hold runs in this browser's private folder. */
  files() {
    return this.page.evaluate(async () => {
      const names = [];
      for await (const name of (await navigator.storage.getDirectory()).keys()) if (name.startsWith('run-')) names.push(name);
      return names.sort();
    });
  }

  /** Waits until a race is kept after an epoch at least. */
  async keeps(timeout = 240_000) {
    const end = Date.now() + timeout;
    while ((await this.files()).length < 2) {
      if (Date.now() > end) throw new Error(`waited ${timeout} ms for a checkpoint`);
      await this.page.waitForTimeout(100);
    }
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
