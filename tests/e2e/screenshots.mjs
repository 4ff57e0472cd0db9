// Pictures of the page after a short race: node screenshots.mjs FOLDER
import path from 'node:path';

import { TINY, withLab } from './page/lab.mjs';

const out = process.argv[2];
const sizes = { desktop: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };
const config = { ...TINY, limit_train: '512', limit_test: '128', batch_size: '32', epochs: '8', lr: '0.05' };

for (const [name, viewport] of Object.entries(sizes)) {
  for (const colorScheme of ['light', 'dark']) {
    const context = { viewport, colorScheme, deviceScaleFactor: 2, hasTouch: name === 'phone', isMobile: name === 'phone' };
    await withLab({ webgpu: 'no-adapter', config, context }, async (lab) => {
      await lab.reach('ready');
      const file = (moment) => path.join(out, `${name}-${colorScheme}-${moment}.png`);
      await lab.page.screenshot({ path: file('ready'), fullPage: true });
      await lab.train();
      await lab.reach('finished', 300_000);
      await lab.page.screenshot({ path: file('finished'), fullPage: true });
      console.log(file('finished'));
    });
  }
}
