// The samples: a gallery of test images, and one of them through the epochs.
import { mark, until } from './mark.mjs';

export class Samples {
  constructor(lab) {
    this.lab = lab;
    const { page } = lab;
    this.page = page;
    this.found = mark(page, 'samples-found');
    this.who = mark(page, 'samples-who');
    this.classes = mark(page, 'samples-class');
    this.more = mark(page, 'samples-more');
    this.gallery = mark(page, 'gallery');
    this.images = this.gallery.locator('button');
    /** The image that was chosen. */
    this.chosen = mark(page, 'sample');
  }

  open() {
    return this.lab.goTo('samples');
  }
  /** How many images there are of those asked for. */
  async count() {
    return Number((await this.found.innerText()).match(/^([\d,]+) of/)[1].replaceAll(',', ''));
  }
  /** Waits until every picture that is shown has come, so many pixels wide. */
  pictures(width) {
    return until('the pictures', () =>
      this.gallery.locator('img').evaluateAll((all, wide) => all.every((image) => image.complete && image.naturalWidth === wide), width),
    );
  }
  /** Of every image shown: whether the sparse learner and the dense one are right. */
  async answers() {
    return this.images.locator('.marks').evaluateAll((all) =>
      all.map((marks) => ({ sparse: marks.querySelectorAll('.mark.sparse.right').length, dense: marks.querySelectorAll('.mark.dense.right').length })),
    );
  }
  /** What the images shown are called. */
  names() {
    return this.images.evaluateAll((all) => all.map((image) => image.getAttribute('aria-label')));
  }
  /** Shows images of this class, and gives its name. */
  async ofClass(index) {
    await this.classes.selectOption(String(index));
    return this.classes.locator(`option[value="${index}"]`).innerText();
  }
  /** Looks at the first image. */
  async chooseFirst() {
    await this.images.first().click({ timeout: 60_000 });
  }
  /** The pixels of the chosen image, four bytes each, once its picture has come. */
  async chosenPixels() {
    const picture = this.chosen.locator('img');
    await until('its picture', () => picture.evaluate((image) => image.complete && image.naturalWidth > 0));
    return picture.evaluateAll((all) =>
      all.map((image) => {
        const canvas = document.createElement('canvas');
        [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
        const context = canvas.getContext('2d');
        context.drawImage(image, 0, 0);
        return Array.from(context.getImageData(0, 0, canvas.width, canvas.height).data);
      }),
    );
  }
  /** How many epochs the chosen image's probabilities have been followed. */
  async followed() {
    const line = this.chosen.locator('svg path.line').first();
    const course = (await line.count()) ? await line.getAttribute('d') : '';
    return course.startsWith('M') ? course.split('L').length : 0;
  }
  /** Waits until they have been followed for more epochs than that. */
  followedMoreThan(epochs) {
    return until(`more than ${epochs} epochs of the image`, async () => (await this.followed()) > epochs);
  }
  /** What each learner takes the chosen image for. */
  async table() {
    await this.chosen.locator('table tbody tr').nth(1).waitFor();
    return this.chosen.locator('td').allInnerTexts();
  }
  /** On to the bench, with the chosen image. */
  toBench() {
    return this.chosen.getByRole('link').click();
  }
}
