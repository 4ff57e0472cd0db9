// Fetches a folder of golden cases and runs them on a device of the engine, compiled for the browser.
import init, { run_golden } from '/runner/golden.js';

async function bytes(name) {
  const response = await fetch(`/cases/${name}`);
  if (!response.ok) throw new Error(`${name}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

// The engine reads synchronously, so everything is here before it starts.
async function folder(wanted) {
  const cases = JSON.parse(new TextDecoder().decode(await bytes('golden.json'))).filter(wanted);
  const names = cases.map((entry) => entry.file).filter(Boolean);
  const files = new Map([['golden.json', new TextEncoder().encode(JSON.stringify(cases))]]);
  await Promise.all(names.map(async (name) => files.set(name, await bytes(name))));
  return files;
}

window.runGolden = async (device) => {
  await init();
  // The kernels of products ("gpu:tiles-16") have nothing to say of the others.
  const files = await folder((entry) => !device.includes(':') || entry.kind === 'conv2d');
  return run_golden(device, (name) => files.get(name));
};
