// Chromium's shader compiler (Tint) accepts what naga accepted: every shader, and the extremes of its permutations.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { lend } from './browser.mjs';

/** Of each shader's permutations: the first, the last and two between. */
function sample(permutations) {
  const byShader = new Map();
  for (const p of permutations) byShader.set(p.shader, [...(byShader.get(p.shader) ?? []), p]);
  return [...byShader.values()].flatMap((all) => {
    const last = all.length - 1;
    return [...new Set([0, Math.floor(last / 3), Math.floor((2 * last) / 3), last])].map((i) => all[i]);
  });
}

test('every shader compiles in the browser', async () => {
  const permutations = JSON.parse(await readFile(process.env.SPARRING_SHADERS_JSON, 'utf8'));
  const chosen = sample(permutations);
  const { browser, url, giveBack } = await lend('software');
  const page = await browser.newPage();
  try {
    await page.goto(url);
    const result = await page.evaluate(async (all) => {
      const adapter = await navigator.gpu.requestAdapter();
      const device = await adapter.requestDevice();
      const problems = [];
      const modules = new Map();
      for (const { shader, source, constants } of all) {
        if (!modules.has(source)) {
          const module = device.createShaderModule({ code: source });
          const info = await module.getCompilationInfo();
          info.messages.filter((m) => m.type !== 'info').forEach((m) => problems.push(`${shader}:${m.lineNum}: ${m.message}`));
          modules.set(source, module);
        }
        const compute = { module: modules.get(source), entryPoint: 'main', constants };
        await device.createComputePipelineAsync({ layout: 'auto', compute }).catch((error) => {
          problems.push(`${shader} ${JSON.stringify(constants)}: ${error.message}`);
        });
      }
      return { problems, shaders: modules.size, pipelines: all.length };
    }, chosen);
    console.log(`${result.pipelines} pipelines of ${result.shaders} shaders`);
    assert.deepEqual(result.problems, []);
    assert.ok(result.shaders >= 25 && result.pipelines > result.shaders);
  } finally {
    await page.close();
    giveBack();
  }
});
