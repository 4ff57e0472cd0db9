// What a teacher's link does to the page, and the form that makes such links.
import { mark } from './mark.mjs';

/** A control that is in each part of the page that can be left out. */
const PARTS = {
  places: 'place-bench',
  settings: 'preset-select',
  hardness: 'preset-select',
  corners: 'model-select',
  advanced: 'batch_size',
  device: 'device-select',
  numbers: 'honest-numbers',
  share: 'copy-link',
  chart: 'chart',
  tools: 'theme-select',
};

export class Teacher {
  constructor(page) {
    this.page = page;
    /** The teacher's own words. */
    this.words = mark(page, 'teacher-text');
    /** What of the link was not understood. */
    this.remarks = mark(page, 'link-remark');
    this.parts = Object.keys(PARTS);
    this.builder = page.locator('.builder');
    this.link = mark(page, 'teacher-link');
    /** The link for the wall. */
    this.code = mark(page, 'teacher-code').locator('path');
  }

  /** Leaves a part out; without a name, none. */
  leaveOut(part = '') {
    return this.page.evaluate((value) => document.documentElement.setAttribute('data-hide', value), part);
  }
  /** Whether a part is there. */
  async isThere(part) {
    const control = mark(this.page, PARTS[part]);
    // Not measured yet: the table of numbers has nothing to show before a race, only its card is there.
    if (part === 'numbers') {
      const card = control.locator('xpath=ancestor-or-self::*[self::section or self::header or self::details or contains(@class, "card")][1]');
      return card.isVisible();
    }
    return control.evaluate((e) => (e.closest('details') ?? e).checkVisibility());
  }
  /** Whether the focus is among the settings or in the menu. */
  focusIsInSettingsOrMenu() {
    return this.page.evaluate(() => document.activeElement.closest('.before, .sentence, .places') !== null);
  }
  /** Fills in the form: a lesson by its place in the list, parts to leave out, words. Gives the link. */
  async build({ lesson, leaveOut, words }) {
    await this.builder.locator('select').selectOption(String(lesson));
    for (const part of leaveOut) await this.builder.getByLabel(part).check();
    await this.builder.getByLabel('Your own words').fill(words);
    return this.link.getAttribute('href');
  }
  /** Shows the link as a code; gives how its modules are drawn. */
  async showCode() {
    await this.builder.getByText('As a code for the wall').click();
    return this.code.getAttribute('d');
  }
  /** What the form says. */
  async filledIn() {
    return {
      lesson: await this.builder.locator('select').inputValue(),
      leftOut: await this.builder.locator('input:checked').count(),
      words: await this.builder.getByLabel('Your own words').inputValue(),
    };
  }
}
