// The line between browser and server: slow, counted, changed on the way; and what of the page is seen when.
import { createServer, request as ask } from 'node:http';

import { baseUrl } from './browser.mjs';

/** From the next load on: 188 kB/s and 300 ms a round trip. */
export async function slowLine(page) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Network.enable');
  await devtools.send('Network.emulateNetworkConditions', { offline: false, latency: 300, downloadThroughput: 188_000, uploadThroughput: 188_000 });
}

/**
 * A server in front of the page's. `changes` has for the paths of some files what becomes of their text; all else goes through as it is,
 * compressed or not. Hands `work` the address and a list of what was asked for: path with query, status and bytes of the body.
 */
export async function inFront(changes, work) {
  const asked = [];
  const front = createServer((request, response) => {
    const [path] = request.url.split('?');
    const change = changes[path];
    const headers = { ...request.headers, connection: 'close' };
    if (change) for (const name of ['accept-encoding', 'if-none-match']) delete headers[name];
    const passed = ask(new URL(request.url.slice(1), baseUrl()), { headers }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => {
        const { 'content-length': _, ...kept } = answer.headers;
        const sent = Buffer.concat(parts);
        const body = change ? Buffer.from(change(sent.toString())) : sent;
        asked.push({ path: request.url, status: answer.statusCode, bytes: body.length });
        if (change) delete kept.etag;
        response.writeHead(answer.statusCode, kept).end(body);
      });
    });
    passed.on('error', () => response.destroy());
    passed.end();
  });
  await new Promise((resolve) => front.listen(0, '127.0.0.1', resolve));
  try {
    await work(`http://127.0.0.1:${front.address().port}/`, asked);
  } finally {
    front.closeAllConnections();
    front.close();
  }
}

/** Milliseconds from the request of the page until something of it was seen. */
export const firstPaint = (page) =>
  page.evaluate(
    () =>
      new Promise((resolve) => {
        new PerformanceObserver((list) => list.getEntriesByName('first-contentful-paint').forEach((e) => resolve(Math.round(e.startTime)))).observe({
          type: 'paint',
          buffered: true,
        });
      }),
  );

/** How much of the page has moved since it was seen: the score of the browser, 0 for nothing, and what has moved. */
export const moved = (page) =>
  page.evaluate(
    () =>
      new Promise((resolve) => {
        new PerformanceObserver((list) => {
          const shifts = list.getEntries().filter((e) => !e.hadRecentInput);
          const what = shifts.flatMap((e) => e.sources.map((s) => `${e.value.toFixed(4)} ${s.node?.nodeName}.${s.node?.className} ${JSON.stringify(s.previousRect)} ${JSON.stringify(s.currentRect)}`));
          resolve({ score: shifts.reduce((sum, e) => sum + e.value, 0), what });
        }).observe({ type: 'layout-shift', buffered: true });
        // Nothing is reported where nothing moved.
        setTimeout(() => resolve({ score: 0, what: [] }), 500);
      }),
  );
