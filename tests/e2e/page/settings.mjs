// The form: what makes the samples hard, who is in the corners, and the device that trains.
import { choose, enter, mark, until } from './mark.mjs';

export class Settings {
  constructor(page) {
    this.page = page;
    this.presets = mark(page, 'preset-select');
    this.scenario = mark(page, 'scenario-select');
    this.corruption = mark(page, 'corruption');
    this.dataset = mark(page, 'dataset');
    this.part = mark(page, 'subset-select');
    this.first = mark(page, 'first-count');
    this.share = mark(page, 'share-slider');
    this.model = mark(page, 'model-select');
    this.epochs = mark(page, 'epochs');
    this.seeds = mark(page, 'seeds-input');
    this.densities = mark(page, 'density-slider');
    this.rate = mark(page, 'rate-now');
    this.estimate = mark(page, 'estimate');
    this.archive = mark(page, 'archive-input');
    this.sentence = mark(page, 'experiment');
    this.open = mark(page, 'form-toggle');
    this.differs = mark(page, 'differs');
    this.misfit = mark(page, 'misfit');
    this.takeShown = mark(page, 'take-shown');
  }

  /** Has this browser remember the form as open or closed, unless it remembers something. */
  remembered(open) {
    return this.page.addInitScript((open) => {
      // A page of another kind has no storage.
      try {
        localStorage['sparring-form'] ??= JSON.stringify(open);
      } catch {}
    }, open);
  }
  /** The bold words of the sentence. */
  async said() {
    return (await this.sentence.locator('select').evaluateAll((all) => all.map((select) => select.selectedOptions[0].text))).join(' | ');
  }
  /** Chooses a bold word of the sentence. */
  say(what, value) {
    return mark(this.page, `say-${what}`).first().selectOption(value);
  }
  /** The preset that the form is, in words. */
  preset() {
    return this.presets.locator('option:checked').innerText();
  }
  /** Names of all presets that can be chosen. */
  async presetNames() {
    const names = await this.presets.locator('option').evaluateAll((all) => all.map((option) => option.value));
    return names.filter((name) => name !== 'own');
  }
  /** Chooses the first preset whose label matches. */
  async choosePreset(label) {
    await this.presets.selectOption(await this.presets.locator('option', { hasText: label }).first().getAttribute('value'));
  }
  /** Chooses the first network whose label matches. */
  async chooseModel(label) {
    await this.model.selectOption(await this.model.locator('option', { hasText: label }).first().getAttribute('value'));
  }
  /** Types how many the first images are. */
  setFirst(number) {
    return enter(this.first, String(number));
  }
  /** Types a number of epochs. */
  setEpochs(number) {
    return enter(this.epochs, String(number));
  }
  /** Types how often the race is to be run. */
  async setSeeds(number) {
    await enter(this.seeds, String(number));
    await this.page.waitForFunction((wanted) => new URLSearchParams(location.search).get('seeds') === wanted, String(number));
  }
  /** Gives the last learner of the race that runs another density. */
  async setDensityNow(density) {
    await this.densities.last().fill(String(density));
    await mark(this.page, 'density-now').last().click();
  }
  /** Gives the race that runs another learning rate. */
  async setRateNow(rate) {
    await this.page.getByText('Advanced', { exact: true }).click();
    await enter(this.rate, String(rate));
    await mark(this.page, 'rate-use').click();
  }
  /** Brings an archive of CIFAR-10 from the disk. */
  async bringArchive(name, content) {
    await this.page.getByText('Bring your own archive').click();
    await choose(this.archive, name, 'application/gzip', content);
  }
  /** Kinds of corruption by family: [family, [label, ..]]. */
  corruptions() {
    return families(this.corruption);
  }
}

/** The groups of a select: [label, [option, ..]]; options outside of a group have no label. */
export const families = (select) =>
  select.evaluate((all) =>
    [...all.children].map((child) => (child.matches('optgroup') ? [child.label, [...child.children].map((o) => o.textContent)] : ['', [child.textContent]])),
  );

export class Device {
  constructor(page) {
    /** What is known of it. */
    this.facts = mark(page, 'device-line');
    this.choice = mark(page, 'device-select');
  }
}

/** What can be taken away of what is on screen, and of a form that says something else. */
export class Take {
  constructor(page) {
    this.page = page;
    this.hash = mark(page, 'race-hash');
    this.formLink = mark(page, 'copy-form-link');
    this.formCommand = mark(page, 'copy-form-command');
    this.link = mark(page, 'copy-link');
    this.command = mark(page, 'copy-command');
  }

  /** Copies, and says what is then on the clipboard. */
  async copied(button) {
    await this.page.evaluate(() => navigator.clipboard.writeText(''));
    await button.click();
    return until('something on the clipboard', () => this.page.evaluate(() => navigator.clipboard.readText()));
  }
}
