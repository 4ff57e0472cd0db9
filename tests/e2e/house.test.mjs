// Tests speak of what a person does: how the page is marked up only the objects in `page` know.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';

/** Marks, and selectors of any kind. */
const MARKUP = /test-?id|querySelector|\.locator\(|\bmark\(/i;

/** This file, and what opens another page than ours: that of wasm-bindgen's test runner. */
const OTHERS = ['house.test.mjs', 'components.mjs'];

/** Where a file speaks of markup: name, line and what stands there. */
const found = (name, text) =>
  text.split('\n').flatMap((line, i) => (MARKUP.test(line) ? [`${name}:${i + 1}: ${line.trim()}`] : []));

test('no test or script but the page objects knows how the page is marked up', async () => {
  const here = new URL('.', import.meta.url);
  const names = (await readdir(here)).filter((name) => name.endsWith('.mjs') && !OTHERS.includes(name));
  assert.ok(names.length > 15, `found ${names.join()}`);
  const texts = await Promise.all(names.map((name) => readFile(new URL(name, here), 'utf8')));
  assert.deepEqual(names.flatMap((name, i) => found(name, texts[i])), [], 'an object in tests/e2e/page should know this');
});

test('markup is found, with its line', () => {
  const text = "await lab.train();\nawait page.getByTestId('status');\nawait page.$('[data-testid=x]');\ndocument.querySelector('p');";
  assert.deepEqual(found('a.test.mjs', text).map((line) => line.split(': ')[0]), ['a.test.mjs:2', 'a.test.mjs:3', 'a.test.mjs:4']);
});
