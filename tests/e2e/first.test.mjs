// The first images of CIFAR-10: a race over them waits for nothing else.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { serveCifar10 } from './cifar10.mjs';
import { TINY, until, withLab } from './page/lab.mjs';

const CONFIG = { ...TINY, device: 'cpu', dataset: 'cifar10', subset: 'first:20', limit_train: '0', limit_test: '10' };
/** What it reads of 200 and 50 images: itself, and the first ones of the validation part, which is the last tenth, and of the test file. */
const READ = ['cifar10-test-00.bin', 'cifar10-train-00.bin', 'cifar10-train-01.bin', 'cifar10-train-18.bin'];

/** There are no scores for images that were made up. */
const unexpected = (lab) => lab.errors.filter((error) => !/404/.test(error));

test('a race over the first images fetches these alone, and one over all of them the others', async () => {
  let server;
  const before = async (lab) => {
    server = await serveCifar10(lab.page, { train: 200, test: 50, per: 10 });
  };
  await withLab({ webgpu: 'no-adapter', context: { serviceWorkers: 'block' }, config: CONFIG, before }, async (lab) => {
    await lab.race();
    assert.deepEqual(server.asked(), [...READ, 'manifest.json']);

    // What it looks at afterwards is here, too.
    await lab.samples.open();
    await lab.says(/of 10 test images, after epoch 2/);
    await lab.samples.images.first().waitFor();
    await lab.samples.pictures(32);
    await lab.goTo('ring');
    assert.deepEqual(server.asked(), []);

    await lab.settings.say('subset', 'all');
    await lab.train();
    const others = server.all.filter((name) => !READ.includes(name));
    let asked = [];
    await until('all other files', () => {
      asked = [...asked, ...server.asked()];
      return asked.length >= others.length;
    });
    await lab.reach('finished');
    assert.deepEqual([...asked, ...server.asked()].sort(), others);

    // And this browser has kept them all.
    await lab.reload();
    await lab.race();
    assert.deepEqual(server.asked(), ['manifest.json']);
    assert.deepEqual(unexpected(lab), []);
  });
});

test('the first images are as many as a person says', async () => {
  await withLab({ webgpu: 'no-adapter', config: { ...CONFIG, subset: 'all' } }, async (lab) => {
    const { settings } = lab;
    await lab.reach('ready');
    await settings.part.selectOption('first');
    assert.match(await settings.said(), /the first 5,000/);
    await settings.setFirst(1200);
    await until('the sentence', async () => /the first 1,200/.test(await settings.said()));
    for (const wrong of ['0', '45001']) {
      await settings.setFirst(wrong);
      await lab.says(`How many of them: 1 to 45000, not '${wrong}'.`);
      assert.equal(await settings.first.inputValue(), '1200', 'what cannot be taken is put back');
    }
    await settings.part.selectOption('all');
    assert.equal(await settings.first.isVisible(), false);
    assert.deepEqual(lab.errors, []);
  });
});
