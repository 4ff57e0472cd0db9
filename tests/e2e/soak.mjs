// Trains the tiny network for a long time and watches the memory: node soak.mjs MINUTES (through `cargo xtask soak`).
//
// Three figures: the page's heap after a collection, the browser processes that hold page and trainer (wasm memory included; Linux
// only), and the page's elements without the table of epochs, which has a row for each.
import { readFile } from 'node:fs/promises';

import { baseUrl, launch, watchErrors } from './browser.mjs';
import { Lab, TINY } from './page/lab.mjs';

const minutes = Number(process.argv[2] ?? 30);
if (!(minutes > 0)) throw new Error(`minutes must be a number above 0, found ${process.argv[2]}`);
/** Growth from the second fifth of the time to the last that is noise. */
const NOISE = 1.1;
/** Bytes of what a race keeps of an epoch: every learner's scores, and its row in the table. */
const EPOCH = 4000;

/** Resident bytes of the browser's pages; 0 where the system does not say. */
async function resident(session) {
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  const pages = processInfo.filter(({ type }) => type === 'renderer');
  const sizes = pages.map(({ id }) => readFile(`/proc/${id}/statm`, 'utf8').then((text) => Number(text.split(' ')[1]) * 4096, () => 0));
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

const browser = await launch('no-adapter');
try {
  const page = await browser.newPage();
  const errors = watchErrors(page);
  const lab = new Lab(page, errors);
  await page.goto(`${baseUrl()}?${new URLSearchParams({ ...TINY, device: 'cpu', limit_train: '512', epochs: '1000000' })}`);
  await lab.reach('ready');
  const cdp = await page.context().newCDPSession(page);
  const system = await browser.newBrowserCDPSession();
  await lab.train();
  await lab.reach('training');
  const rows = [];
  const began = Date.now();
  const pause = Math.max(1000, minutes * 1000);
  while (Date.now() - began < minutes * 60_000) {
    await page.waitForTimeout(pause);
    if ((await lab.phase()) !== 'training') throw new Error(`the page is ${await lab.phase()}; errors: ${errors.join('\n')}`);
    await cdp.send('HeapProfiler.collectGarbage');
    const { usedSize } = await cdp.send('Runtime.getHeapUsage');
    const elements = await lab.elements();
    const epoch = Number((await lab.status.innerText()).match(/Epoch (\d+)/)?.[1] ?? 0);
    const row = { heap: usedSize, resident: await resident(system), elements, epoch };
    rows.push(row);
    const mb = (bytes) => `${(bytes / 1e6).toFixed(2)} MB`;
    console.log(`${((Date.now() - began) / 60_000).toFixed(1)} min: epoch ${epoch}, heap ${mb(usedSize)}, resident ${mb(row.resident)}, ${elements} elements`);
  }
  if (errors.length) throw new Error(errors.join('\n'));
  const fifth = Math.max(1, Math.floor(rows.length / 5));
  const mean = (list, key) => list.reduce((sum, row) => sum + row[key], 0) / list.length;
  const [early, late] = [rows.slice(fifth, 2 * fifth), rows.slice(-fifth)];
  const kept = EPOCH * (mean(late, 'epoch') - mean(early, 'epoch'));
  const grown = ['heap', 'resident', 'elements'].filter((key) => {
    const [from, to] = [mean(early, key), mean(late, key)];
    console.log(`${key}: ${from.toFixed(0)} early, ${to.toFixed(0)} late`);
    return to > from * NOISE + (key === 'elements' ? 0 : kept);
  });
  if (grown.length) throw new Error(`grew: ${grown.join(', ')}`);
  console.log('no growth');
} finally {
  await browser.close();
}
