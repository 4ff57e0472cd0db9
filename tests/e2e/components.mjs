// The page's controls, each alone in Chromium: node components.mjs RUNNER MODULE (through `cargo xtask components`).
//
// wasm-bindgen's test runner serves the module; it needs a WebDriver of its own to open it, which the browser here makes needless.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';

import { launch, watchErrors } from './browser.mjs';

const [runner, module] = process.argv.slice(2);

/** A port that nobody listens on. */
const port = await new Promise((done) => {
  const probe = createServer().listen(0, '127.0.0.1', () => {
    const { port } = probe.address();
    probe.close(() => done(port));
  });
});
const address = `127.0.0.1:${port}`;
const server = spawn(runner, [module], {
  env: { ...process.env, NO_HEADLESS: '1', WASM_BINDGEN_TEST_ADDRESS: address },
  stdio: ['ignore', 'ignore', 'inherit'],
});
const browser = await launch('no-adapter');
try {
  const page = await browser.newPage();
  const errors = watchErrors(page);
  // The runner's page has no icon, which is no fault of ours.
  await page.route('**/favicon.ico', (route) => route.fulfill({ status: 200, contentType: 'image/png', body: '' }));
  for (let tries = 0; ; tries++) {
    try {
      await page.goto(`http://${address}/`);
      break;
    } catch (error) {
      if (tries > 300) throw error;
      await page.waitForTimeout(100);
    }
  }
  const output = page.locator('#output');
  await page.waitForFunction(() => /test result: /.test(document.querySelector('#output')?.textContent), null, { timeout: 120_000 })
    .catch(() => errors.push('the tests did not come to their end'));
  const text = await output.textContent();
  console.log(text.trim());
  for (const error of errors) console.log(error);
  process.exitCode = errors.length || !/test result: ok/.test(text) ? 1 : 0;
} finally {
  await browser.close();
  server.kill();
}
