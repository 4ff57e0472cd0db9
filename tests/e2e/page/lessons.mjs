// The lessons: their list, and the panel of the one that is taken.
import { mark, until } from './mark.mjs';

export class Lessons {
  constructor(lab) {
    this.lab = lab;
    const { page } = lab;
    this.page = page;
    this.list = mark(page, 'lesson-list');
    this.entries = this.list.getByRole('button');
    /** Where the list would be, when it could not be fetched. */
    this.tryAgain = this.list.getByRole('button', { name: 'Try again' });
    this.panel = mark(page, 'lesson');
    this.number = mark(page, 'lesson-step');
    this.title = page.locator('#lesson-title');
    this.answers = this.panel.locator('input[type="radio"]');
    this.reveal = mark(page, 'lesson-reveal');
    this.next = mark(page, 'lesson-next');
    this.skip = mark(page, 'lesson-skip');
    this.back = mark(page, 'lesson-back');
    this.setUp = mark(page, 'lesson-load');
    this.watch = mark(page, 'lesson-watch');
    this.show = mark(page, 'lesson-show');
    this.close = mark(page, 'lesson-close');
    /** The control that a step speaks of, framed. */
    this.framed = page.locator('[data-pointed]');
  }

  /** Opens a lesson from the list, by its place in it. */
  async open(index) {
    await this.lab.goTo('lessons');
    await this.entries.nth(index).click();
    await this.panel.waitFor();
  }
  /** The step that is shown and how many there are. */
  async at() {
    const [step, of] = (await this.number.innerText()).match(/Step (\d+) of (\d+)/).slice(1).map(Number);
    return { step, of };
  }
  /** Waits for a step. */
  async reachesStep(step) {
    await this.panel.waitFor();
    return until(`step ${step}`, async () => (await this.at()).step === step);
  }
  /** Whether the panel lets one go on. */
  canGoOn() {
    return this.next.isEnabled();
  }
  /** Waits until it does. */
  letsGoOn(timeout = 180_000) {
    return until('the lesson to go on', () => this.canGoOn(), timeout);
  }
  /** Waits until the control of this name is framed, and it alone. */
  pointsAt(name) {
    return until(`a frame around ${name}`, async () => (await this.pointed()) === name);
  }
  /** The framed control; null where there is none. */
  pointed() {
    return this.framed.evaluateAll((all) => (all.length > 1 ? 'several' : all.length ? all[0].dataset.testid || all[0].id : null));
  }
}
