// How parts of the page are found. Only the files of this folder know the page's marks (data-testid) and markup.
import { setTimeout as pause } from 'node:timers/promises';

/** The part of a page, or of a part of it, that has this mark. */
export const mark = (within, name) => within.getByTestId(name);

/** Asks again and again until the answer is yes, and gives it; `what` was waited for. */
export async function until(what, ask, timeout = 30_000) {
  const end = Date.now() + timeout;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`waited ${timeout} ms for ${what}`);
    await pause(50);
  }
}

/** Types into a field and leaves it. */
export async function enter(field, text) {
  await field.fill(text);
  await field.blur();
}

/** Rows of a table's body as lists of their cells' text. */
export const cells = (table) => table.locator('tbody tr').evaluateAll((rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent)));

/** Chooses a file that is made of text or bytes. */
export const choose = (field, name, mimeType, content) => field.setInputFiles({ name, mimeType, buffer: Buffer.from(content) });
