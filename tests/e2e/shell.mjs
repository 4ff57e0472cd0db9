// Lessons, teacher links, keys and the trainer's misfortunes as page objects.
const id = (name) => `[data-testid="${name}"]`;

export class Lesson {
  constructor(lab) {
    this.lab = lab;
    this.page = lab.page;
    this.panel = this.page.locator(id('lesson'));
    this.number = this.page.locator(id('lesson-step'));
    this.title = this.page.locator('#lesson-title');
    this.answers = this.panel.locator('input[type="radio"]');
    this.reveal = this.page.locator(id('lesson-reveal'));
    this.next = this.page.locator(id('lesson-next'));
    this.skip = this.page.locator(id('lesson-skip'));
    this.back = this.page.locator(id('lesson-back'));
    this.load = this.page.locator(id('lesson-load'));
    this.show = this.page.locator(id('lesson-show'));
    this.close = this.page.locator(id('lesson-close'));
    this.list = this.page.locator(id('lesson-list'));
  }

  /** Opens a lesson from the list, by its place in it. */
  async open(index) {
    await this.page.locator(id('place-lessons')).click();
    await this.list.getByRole('button').nth(index).click();
    await this.panel.waitFor();
  }

  /** The step that is shown and how many there are. */
  async at() {
    const [step, of] = (await this.number.innerText()).match(/Step (\d+) of (\d+)/).slice(1).map(Number);
    return { step, of };
  }

  /** Whether the panel lets one go on. */
  async ready() {
    return this.next.isEnabled();
  }

  async waitReady(timeout = 180_000) {
    await this.page.waitForFunction((s) => document.querySelector(s)?.disabled === false, id('lesson-next'), { timeout });
  }

  /** The framed control; null where the step points at none. */
  pointed() {
    return this.page.evaluate(() => {
      const marked = document.querySelectorAll('[data-pointed]');
      return marked.length === 1 ? marked[0].dataset.testid || marked[0].id : marked.length ? 'several' : null;
    });
  }
}

/** The trainer's thread, once there is one. */
export async function trainer(page) {
  for (;;) {
    const [worker] = page.workers();
    if (worker) return worker;
    await page.waitForTimeout(20);
  }
}

/** Watches for tasks of the page's main thread that take longer than 50 ms; call the result for their lengths since. */
export async function watchLongTasks(page) {
  await page.evaluate(() => {
    window.longTasks = [];
    new PerformanceObserver((list) => window.longTasks.push(...list.getEntries().map((e) => Math.round(e.duration)))).observe({
      type: 'longtask',
    });
  });
  return () => page.evaluate(() => window.longTasks.splice(0));
}

/** The service worker has kept the whole page and serves it. */
export async function kept(page) {
  await page.waitForFunction(async () => (await navigator.serviceWorker.ready) && navigator.serviceWorker.controller !== null);
}
