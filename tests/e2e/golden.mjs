// The golden cases in Chromium, on the CPU backend compiled to wasm and on WebGPU. Closes with `N passed, N failed`.
import { baseUrl, launch, watchErrors } from './browser.mjs';

const browser = await launch('software');
let passed = 0;
let failed = 0;
try {
  for (const device of ['cpu', 'gpu', 'gpu:tiles-8,dense-4x2', 'gpu:tiles-16,dense-4x1']) {
    const page = await browser.newPage();
    const errors = watchErrors(page);
    const began = Date.now();
    const seconds = () => ((Date.now() - began) / 1000).toFixed(1);
    try {
      await page.goto(baseUrl());
      await page.waitForFunction(() => window.runGolden);
      const report = JSON.parse(await page.evaluate((name) => window.runGolden(name), device));
      console.log(`\n${device} in Chromium (${report.device}):\n${report.text.split('\n').slice(0, -1).join('\n')}`);
      console.log(`${device}: ${report.passed} passed, ${report.failed} failed in ${seconds()} s`);
      passed += report.passed;
      failed += report.failed;
    } catch (error) {
      errors.push(error.message.split('\n')[0]);
    }
    for (const error of errors) console.log(`${device} in Chromium: ${error}`);
    failed += errors.length;
    await page.close();
  }
} finally {
  await browser.close();
}
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
