// Chromium as the tests need it: WebGPU on a software adapter, no adapter, or no WebGPU at all.
//
// Flags alone never take `navigator.gpu` away. An insecure origin does, in pages and workers alike: the same server under a
// made-up host name.
import { chromium } from 'playwright-core';

const FLAGS = [
  '--headless=new',
  '--no-sandbox',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  '--disable-quic',
];
// Never --disable-gpu: it takes the software adapter away as well.
const SOFTWARE_GPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];
const INSECURE_HOST = 'sparring.test';

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run these through \`cargo xtask test\``);
  return value;
}

/** Where the page is served, ends with '/'. */
export const baseUrl = () => required('SPARRING_URL');

/**
 * Starts a browser. `webgpu` is 'software', 'no-adapter' or 'absent'; the result's `url` is the page's address for it.
 */
export async function launch(webgpu = 'software') {
  const args = [...FLAGS];
  const url = new URL(baseUrl());
  if (webgpu === 'software') args.push(...SOFTWARE_GPU);
  if (webgpu === 'absent') {
    args.push(`--host-resolver-rules=MAP ${INSECURE_HOST} ${url.hostname}`);
    url.hostname = INSECURE_HOST;
  }
  const browser = await chromium.launch({ executablePath: required('CHROMIUM'), args });
  return { browser, url: url.href, close: () => browser.close() };
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
