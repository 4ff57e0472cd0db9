// Chromium as the tests need it: WebGPU on a software adapter, no adapter, or no WebGPU at all.
//
// Flags alone never take `navigator.gpu` away. An insecure origin does, in pages and workers alike: the same server under a
// made-up host name.
import { chromium } from 'playwright-core';

const INSECURE_HOST = 'sparring.test';
const FLAGS = [
  '--headless=new',
  '--no-sandbox',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  '--disable-quic',
  `--host-resolver-rules=MAP ${INSECURE_HOST} 127.0.0.1`,
];
// Never --disable-gpu: it takes the software adapter away as well.
const SOFTWARE_GPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run these through \`cargo xtask test\``);
  return value;
}

/** Where the page is served, ends with '/'. */
export const baseUrl = () => required('SPARRING_URL');

/** The page's address for a browser in which WebGPU is 'software', 'no-adapter' or 'absent'. */
function address(webgpu) {
  const url = new URL(baseUrl());
  if (webgpu === 'absent') url.hostname = INSECURE_HOST;
  return url.href;
}

/** A browser of one's own. */
export function launch(webgpu = 'software') {
  return chromium.launch({ executablePath: required('CHROMIUM'), args: webgpu === 'software' ? [...FLAGS, ...SOFTWARE_GPU] : FLAGS });
}

/** Browsers that are shared: with a software adapter, and without. */
const shared = new Map();
/** Milliseconds after which a browser that nobody has is closed. */
const IDLE = 500;

/**
 * Lends a browser that others have too: whoever wants to be alone opens a context. The result's `url` is the page's address for it.
 */
export async function lend(webgpu = 'software') {
  const kind = webgpu === 'software' ? 'software' : 'no-adapter';
  let entry = shared.get(kind);
  if (!entry) {
    entry = { starting: launch(kind), users: 0, timer: undefined };
    shared.set(kind, entry);
  }
  clearTimeout(entry.timer);
  entry.users += 1;
  const forget = () => shared.get(kind) === entry && shared.delete(kind);
  const browser = await entry.starting.catch((error) => {
    forget();
    throw error;
  });
  // A browser that has died is not lent again.
  browser.once('disconnected', forget);
  const giveBack = () => {
    entry.users -= 1;
    if (entry.users > 0) return;
    entry.timer = setTimeout(() => {
      forget();
      browser.close();
    }, IDLE);
  };
  return { browser, url: address(webgpu), giveBack };
}

/** Everything that goes wrong on a page or in its workers, as text. Empty on a good page. */
export function watchErrors(page) {
  const errors = [];
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(`console: ${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => errors.push(`uncaught: ${error.stack ?? error}`));
  page.on('response', (response) => {
    if (response.status() >= 400) errors.push(`${response.status()}: ${response.url()}`);
  });
  return errors;
}
