// Serves, on the loopback interface, the built page and a page for each peer, with its program in one bundle.
// Everything is there before the browser starts: it contacts no other machine. Each has a port, and so an origin, of its own.
import { build } from 'esbuild';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.wasm': 'application/wasm', '.svg': 'image/svg+xml' };
const PAGE = '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>A peer</title>';

/** A server on a free port; `read` gives what a path has, or throws. */
async function serve(read) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const file = path.normalize(pathname.endsWith('/') ? `${pathname}index.html` : pathname);
    try {
      const content = await read(file);
      response.writeHead(200, { 'content-type': TYPES[path.extname(file)] ?? 'application/octet-stream' }).end(content);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${server.address().port}/`, close };
}

/** Serves a folder. */
export const serveFolder = (folder) => serve((file) => readFile(path.join(folder, file)));

/** Serves an empty page beside the program of a peer: `/peer.js`. Nothing is written to the disk. */
export async function servePeer(name) {
  const entry = fileURLToPath(new URL(`${name}.mjs`, import.meta.url));
  const { outputFiles } = await build({
    entryPoints: { peer: entry },
    bundle: true,
    splitting: true,
    format: 'esm',
    outdir: '/',
    write: false,
    logLevel: 'error',
  });
  const files = new Map(outputFiles.map((file) => [`/${path.basename(file.path)}`, file.text]));
  files.set('/index.html', PAGE);
  return serve((file) => {
    if (!files.has(file)) throw new Error(`no ${file}`);
    return files.get(file);
  });
}
