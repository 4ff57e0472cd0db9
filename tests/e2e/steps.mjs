// How long a step takes on the CPU, in builds of the page side by side: node steps.mjs [--rounds N] [--seconds N] DIST DIST...
// A build may name settings: DIST?precision=bf16.
//
// Each folder is served from a port of its own. The builds take turns, so that what else the machine does falls on all of them; what is
// read is the time that the page itself shows. CHROMIUM names the browser.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { TINY, withLab } from './page/lab.mjs';
import { threads } from './trainer.mjs';

const LEARNERS = ['dense', 'static@0.1+uniform'];
const CONFIG = { ...TINY, device: 'cpu', learners: LEARNERS.join(), batch_size: '64', limit_train: '640', limit_test: '64', epochs: '1000' };
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.wasm': 'application/wasm', '.svg': 'image/svg+xml' };
/** Before the time is read: compilers warm up. */
const WARM = 3000;

/** Serves a folder on the loopback interface. */
async function serve(folder) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const file = path.join(folder, path.normalize(pathname.endsWith('/') ? `${pathname}index.html` : pathname));
    try {
      const content = await readFile(file);
      response.writeHead(200, { 'content-type': TYPES[path.extname(file)] ?? 'application/octet-stream' }).end(content);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Milliseconds a step of each learner, as this page shows them over some seconds. */
async function measure({ url, settings }, seconds) {
  const seen = LEARNERS.map(() => []);
  // Nothing kept of an earlier visit; all learners in one worker, so that they do not slow each other down.
  const alone = (lab) => threads(lab.page, 1);
  const setting = { webgpu: 'no-adapter', config: { ...CONFIG, ...settings }, context: { serviceWorkers: 'block' }, at: () => url, before: alone };
  await withLab(setting, async (lab) => {
    await lab.reach('ready');
    await lab.train();
    await lab.morePointsThan(1);
    await lab.page.waitForTimeout(WARM);
    for (const end = Date.now() + 1000 * seconds; Date.now() < end; await lab.page.waitForTimeout(250)) {
      const shown = (await lab.numbers.row('ms a step')).map((text) => Number(text.replaceAll(',', '')));
      shown.forEach((ms, learner) => ms > 0 && seen[learner].push(ms));
    }
  });
  return seen.map(median);
}

const { values, positionals: builds } = parseArgs({
  options: { rounds: { type: 'string', default: '7' }, seconds: { type: 'string', default: '6' } },
  allowPositionals: true,
});
if (builds.length < 1) throw new Error('name the folders of one or more builds');
const servers = await Promise.all(builds.map((build) => serve(build.split('?')[0])));
const contestants = servers.map((server, i) => ({
  url: `http://127.0.0.1:${server.address().port}/`,
  settings: Object.fromEntries(new URLSearchParams(builds[i].split('?')[1])),
}));
process.env.SPARRING_URL ??= contestants[0].url;
try {
  const rounds = [];
  for (let round = 1; round <= Number(values.rounds); round += 1) {
    const times = [];
    for (const contestant of contestants) times.push(await measure(contestant, Number(values.seconds)));
    rounds.push(times);
    console.log(`round ${round}: ${times.map((of, i) => `${builds[i]} ${of.map((ms) => ms.toFixed(1)).join(' and ')} ms`).join('; ')}`);
  }
  LEARNERS.forEach((learner, l) => {
    console.log(`\n${learner}, milliseconds a step, median of ${rounds.length} rounds`);
    builds.forEach((build, f) => {
      const own = rounds.map((times) => times[f][l]);
      // Of each round by itself: what slows the machine down slows both.
      const ratio = median(rounds.map((times) => times[0][l] / times[f][l]));
      const faster = f === 0 ? '' : `, ${ratio.toFixed(2)} times as fast as ${builds[0]}`;
      console.log(`  ${median(own).toFixed(1)} (${Math.min(...own).toFixed(1)} to ${Math.max(...own).toFixed(1)}) ${build}${faster}`);
    });
  });
} finally {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
}
