// Keeps one whole version of the page in this browser, so that it opens without a network after the first visit.
//
// `cargo xtask` writes the version and the list of files in below. All files of a version come from its own cache, so an old page never
// meets a new module. A new version is fetched whole, waits, and takes over when the visitor says so (app/web/offline.js).
const VERSION = '';
const FILES = [];

const PREFIX = `sparring ${self.registration.scope} `;
const CACHE = PREFIX + VERSION;
const kept = new Set(FILES.map((file) => new URL(file, self.registration.scope).href));

self.addEventListener('install', (event) => {
  const fetchAll = async () => {
    const cache = await caches.open(CACHE);
    // The server is asked about each file: a copy that the browser held back from an older version must not get in.
    await cache.addAll(FILES.map((file) => new Request(file, { cache: 'no-cache' })));
  };
  event.waitUntil(fetchAll());
});

self.addEventListener('activate', (event) => {
  const takeOver = async () => {
    const names = await caches.keys();
    await Promise.all(names.filter((name) => name.startsWith(PREFIX) && name !== CACHE).map((name) => caches.delete(name)));
    // The page of the first visit is served from here on too.
    await self.clients.claim();
  };
  event.waitUntil(takeOver());
});

self.addEventListener('fetch', (event) => {
  const { method, url } = event.request;
  const plain = new URL(url);
  plain.search = '';
  plain.hash = '';
  // Everything else (datasets above all, which the trainer keeps by itself) goes its ordinary way.
  if (method !== 'GET' || !kept.has(plain.href)) return;
  const answer = async () => (await (await caches.open(CACHE)).match(plain.href)) ?? fetch(event.request);
  event.respondWith(answer());
});

self.addEventListener('message', (event) => {
  if (event.data === 'take over') self.skipWaiting();
});
