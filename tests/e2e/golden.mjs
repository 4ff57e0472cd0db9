// The golden cases in Chromium, on the CPU backend compiled to wasm and on WebGPU. Closes with `N passed, N failed`.
import { baseUrl, launch, watchErrors } from './browser.mjs';

const { browser, close } = await launch('software');
let passed = 0;
let failed = 0;
try {
  for (const device of ['cpu', 'gpu']) {
    const page = await browser.newPage();
    const errors = watchErrors(page);
    await page.goto(baseUrl());
    await page.waitForFunction(() => window.runGolden);
    const began = Date.now();
    const report = JSON.parse(await page.evaluate((name) => window.runGolden(name), device));
    console.log(`\n${device} in Chromium (${report.device}, ${((Date.now() - began) / 1000).toFixed(1)} s):\n${report.text}`);
    for (const error of errors) console.log(`on the page: ${error}`);
    passed += report.passed;
    failed += report.failed + errors.length;
    await page.close();
  }
} finally {
  await close();
}
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
