// Starts the page, and where it cannot start says in the static shell what to do: the shell has the words (app/web/shell.html).
//
// Without this a browser without WebAssembly, and a line that breaks off, would leave a picture of the page on which nothing happens.

/** The smallest module that has an instruction of 128-bit SIMD. */
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];
const able = () => typeof WebAssembly === 'object' && WebAssembly.validate(new Uint8Array(SIMD));

function say(what, detail) {
  const panel = document.getElementById(what);
  if (!panel) return;
  panel.hidden = false;
  panel.querySelector('code').textContent = detail;
}

// Until the page takes or refuses files, a browser would open what is dropped in its place.
for (const event of ['dragover', 'drop']) {
  addEventListener(event, (dropped) => document.querySelector('.shell') && dropped.preventDefault());
}

// A first visit sees the recorded run that the shell draws. It comes beside the page, not after it.
if (!location.search) {
  const link = document.createElement('link');
  Object.assign(link, { rel: 'preload', as: 'fetch', crossOrigin: 'anonymous', href: 'runs/builtin.json' });
  document.head.append(link);
}

// No `await` out here: a browser that does not know it would say nothing.
const started = able() ? import('./page_loader.js') : Promise.reject(new Error('WebAssembly with SIMD is missing'));
started.catch((error) => say(able() ? 'not-here' : 'not-able', error.message));
