// A server with CIFAR-10, made up: plain images, as few as a test wants, in chunks as `sparring data pack` cuts them.
import { createHash } from 'node:crypto';

const CLASSES = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];
const IMAGE = 3 * 32 * 32;

/** Chunks of `per` images of a file of `count`. */
function cut(split, count, per) {
  return Array.from({ length: Math.ceil(count / per) }, (_, number) => {
    const start = number * per;
    const images = Math.min(per, count - start);
    const records = Array.from({ length: images }, (_, i) => {
      const label = (start + i) % CLASSES.length;
      return Buffer.concat([Buffer.from([label]), Buffer.alloc(IMAGE, 20 * label + ((start + i) % 17))]);
    });
    const bytes = Buffer.concat(records);
    const file = `cifar10-${split}-${String(number).padStart(2, '0')}.bin`;
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return { bytes, chunk: { file, split, start, count: images, bytes: bytes.length, sha256 } };
  });
}

/**
 * From here on the page's server has such a CIFAR-10, and no hardness scores of it. Gives the names of all its files, and a function
 * that gives those that were asked for since it was last called. The context must block service workers.
 */
export async function serveCifar10(page, { train, test, per }) {
  const pieces = [...cut('test', test, per), ...cut('train', train, per)];
  const chunks = pieces.map(({ chunk }) => chunk);
  const [mean, std] = [Array(4).fill(0.5), Array(4).fill(0.25)];
  const manifest = { version: 1, name: 'cifar10', classes: CLASSES, extent: [3, 32, 32], mean, std, train, test, chunks };
  const files = new Map(pieces.map(({ bytes, chunk }) => [chunk.file, bytes]));
  files.set('manifest.json', JSON.stringify(manifest));
  let asked = [];
  await page.route('**/data/**', (route) => {
    const name = new URL(route.request().url()).pathname.split('/').pop();
    asked.push(name);
    const body = files.get(name);
    return route.fulfill(body ? { body, contentType: 'application/octet-stream' } : { status: 404, body: 'none' });
  });
  await page.route('**/scores/**', (route) => route.fulfill({ status: 404, body: 'none' }));
  const sinceThen = () => {
    const names = asked;
    asked = [];
    return names.sort();
  };
  return { all: [...files.keys()].sort(), asked: sinceThen };
}
