// The static shell: what is seen before the page is there, or where it does not come.

/** Parts that the shell and the page both have, in one place each. */
const PARTS = {
  header: 'header.top',
  menu: 'nav.places',
  experiment: '.experiment > .card',
  ring: '.ring > .card',
  controls: '.controls',
  standing: '.standing',
  replay: '.replay',
  scores: '.scoreboard',
  verdict: '.verdict',
  chips: '.chips',
  key: 'ul.key',
  chart: '.chart',
  before: 'section.before',
  after: 'section.after',
};

export class Shell {
  constructor(page) {
    this.page = page;
    this.itself = page.locator('#page.shell');
    /** Curves of the recorded run. */
    this.curves = this.itself.locator('.drawing:visible path.line');
    /** What it says where the page does not come. */
    this.failure = this.itself.locator('.failure:visible');
    this.foot = page.locator('footer.foot');
  }

  /** Takes the way on that it offers. */
  reload() {
    return this.failure.getByRole('link', { name: 'Reload the page' }).click();
  }
  /** Waits until the page has taken its place. */
  gone(timeout) {
    return this.itself.waitFor({ state: 'detached', timeout });
  }
  /**
   * Where parts of the shell, or of the page after it, begin, how wide and how high they are. The ring is as high as what comes below its
   * chart; other columns are as high as what is in them, and on a phone below it.
   */
  boxes() {
    return this.page.evaluate((parts) => {
      const box = ([name, selector]) => {
        const { x, y, width, height } = document.querySelector(selector).getBoundingClientRect();
        const column = ['before', 'after'].includes(name);
        return [name, [x, column ? 0 : y + scrollY, width, column || name === 'ring' ? 0 : height].map(Math.round).join(' ')];
      };
      return Object.fromEntries(Object.entries(parts).map(box));
    }, PARTS);
  }
}
