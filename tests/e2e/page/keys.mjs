// The list of keys, and whether keys of one character count.
import { mark } from './mark.mjs';

export class Keys {
  constructor(page) {
    this.page = page;
    this.button = mark(page, 'keys-button');
    this.list = page.locator('dialog[open]');
  }

  async switchOff() {
    await this.button.click();
    await mark(this.page, 'keys-on').uncheck();
    await mark(this.page, 'keys-close').click();
  }
}
