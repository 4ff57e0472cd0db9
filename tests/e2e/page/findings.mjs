// Findings: studies with their figures, and one more seed of a point.
import { mark } from './mark.mjs';

export class Findings {
  constructor(lab) {
    this.lab = lab;
    const { page } = lab;
    this.page = page;
    this.all = mark(page, 'findings');
    this.says = mark(page, 'findings-say');
  }

  open() {
    return this.lab.goTo('findings');
  }
  /** The card of a study by its name. */
  study(name) {
    return this.all.getByRole('region', { name, exact: true });
  }
  /** The row of a study's point. */
  point(name, ...words) {
    return words.reduce((rows, hasText) => rows.filter({ hasText }), this.study(name).locator('tbody tr'));
  }
  /** Trains one more seed of a point. */
  oneMore(point) {
    return point.getByRole('button').click();
  }
  /** Rings of a study's figure: values that were trained here. */
  rings(name) {
    return this.study(name).locator('svg .own');
  }
}
