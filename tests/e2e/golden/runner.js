// Fetches a folder of golden cases and runs them on a device of the engine, compiled for the browser.
import init, { run_golden } from '/runner/golden.js';

async function bytes(name) {
  const response = await fetch(`/cases/${name}`);
  if (!response.ok) throw new Error(`${name}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

// The engine reads synchronously, so everything is here before it starts.
async function folder() {
  const index = await bytes('golden.json');
  const names = JSON.parse(new TextDecoder().decode(index)).map((entry) => entry.file).filter(Boolean);
  const files = new Map([['golden.json', index]]);
  await Promise.all(names.map(async (name) => files.set(name, await bytes(name))));
  return files;
}

window.runGolden = async (device) => {
  await init();
  const files = await folder();
  return run_golden(device, (name) => files.get(name));
};
