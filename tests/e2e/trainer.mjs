// The trainer's thread and what can befall it; the page's own thread; the browser's copy of the page.

/** The trainer's thread, once there is one. */
export async function trainer(page) {
  return page.workers()[0] ?? page.waitForEvent('worker');
}

/** From the next load on, the page sees a machine of so many threads. */
export const threads = (page, count) =>
  page.addInitScript((seen) => Object.defineProperty(navigator, 'hardwareConcurrency', { get: () => seen }), count);

/** How many workers the trainer shares its race with. */
export const sharing = (page) => Math.max(0, page.workers().length - 1);

const provoke = (worker) =>
  worker.evaluate(() => {
    setTimeout(() => {
      throw new Error('provoked');
    });
  });

/** Makes the trainer crash. */
export async function crash(page) {
  await provoke(await trainer(page));
}

/** Ends the trainer as a browser does that runs out of memory: without an error. */
export async function endSilently(page) {
  await (await trainer(page)).evaluate(() => self.close());
}

/** The trainer's thread is taken for so many milliseconds: until then it hears and says nothing. */
export async function hang(page, milliseconds) {
  await (await trainer(page)).evaluate((pause) => {
    setTimeout(() => {
      const end = Date.now() + pause;
      while (Date.now() < end);
    });
  }, milliseconds);
}

/** From the next load on, the page has no Web Locks; an insecure origin has none in workers either. */
export const noLocks = (page) => page.addInitScript(() => delete Navigator.prototype.locks);

/** Ends a worker without an error that has a part of the race. */
export async function endMemberSilently(page) {
  await page.workers().at(-1).evaluate(() => self.close());
}

/** Makes a worker crash that has a part of the race. */
export async function crashMember(page) {
  await provoke(page.workers().at(-1));
}

/** Has the trainer remember the GPU that it will use; call the result to take it away. */
export async function holdGpu(page) {
  const worker = await trainer(page);
  await worker.evaluate(() => {
    const { createBuffer } = GPUDevice.prototype;
    GPUDevice.prototype.createBuffer = function remember(...args) {
      self.lent = this;
      return createBuffer.apply(this, args);
    };
  });
  return () => worker.evaluate(() => self.lent.destroy());
}

/** Counts what the trainer asks of its GPU from now on; call the result for the counts. */
export async function countGpuCalls(page) {
  const worker = await trainer(page);
  await worker.evaluate(() => {
    self.counts = { pipelines: 0, submits: 0 };
    const counted = (of, name, count) => {
      const call = of.prototype[name];
      of.prototype[name] = function counting(...args) {
        self.counts[count] += 1;
        return call.apply(this, args);
      };
    };
    counted(GPUDevice, 'createComputePipeline', 'pipelines');
    counted(GPUQueue, 'submit', 'submits');
  });
  return () => worker.evaluate(() => self.counts);
}

/** The trainer's GPU will say once that it has too little memory. */
export async function runOutOfMemory(page) {
  await (await trainer(page)).evaluate(() => {
    let once = true;
    const { createBuffer } = GPUDevice.prototype;
    GPUDevice.prototype.createBuffer = function give(...args) {
      const buffer = createBuffer.apply(this, args);
      if (once) {
        once = false;
        const error = new GPUOutOfMemoryError('provoked');
        this.dispatchEvent(new GPUUncapturedErrorEvent('uncapturederror', { error }));
      }
      return buffer;
    };
  });
}

/** Keeps what the trainer says from a reload on; call the result for the events. */
export async function overhear(page) {
  await page.addInitScript(() => {
    window.overheard = [];
    const Plain = window.Worker;
    window.Worker = class extends Plain {
      constructor(...args) {
        super(...args);
        this.addEventListener('message', (event) => {
          const message = JSON.parse(event.data[0]);
          if (message.events) window.overheard.push(...message.events);
        });
      }
    };
  });
  await page.reload();
  return () => page.evaluate(() => window.overheard);
}

/** Has the browser move no files, as some do. */
export async function moveNothing(page) {
  await (await trainer(page)).evaluate(() => {
    FileSystemFileHandle.prototype.move = () => Promise.reject(new TypeError('moves nothing'));
  });
}

/** The page's origin may keep so many bytes from here on. */
export async function quota(page, bytes) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Storage.overrideQuotaForOrigin', { origin: new URL(page.url()).origin, quotaSize: bytes });
}

/** From the next load on, every file of the browser's private folder takes the page so many milliseconds to open. */
export const slowFiles = (page, milliseconds) =>
  page.addInitScript((pause) => {
    const { getFile } = FileSystemFileHandle.prototype;
    FileSystemFileHandle.prototype.getFile = async function slow(...args) {
      await new Promise((resolve) => setTimeout(resolve, pause));
      return getFile.apply(this, args);
    };
  }, milliseconds);

/** Watches for tasks of the page's main thread that take longer than 50 ms; call the result for their lengths since. */
export async function watchLongTasks(page) {
  await page.evaluate(() => {
    window.longTasks = [];
    new PerformanceObserver((list) => window.longTasks.push(...list.getEntries().map((e) => Math.round(e.duration)))).observe({
      type: 'longtask',
    });
  });
  return () => page.evaluate(() => window.longTasks.splice(0));
}

/** The service worker has kept the whole page and serves it. */
export async function kept(page) {
  await page.waitForFunction(async () => (await navigator.serviceWorker.ready) && navigator.serviceWorker.controller !== null);
}

/** Names of the versions of the page that the browser keeps. */
export const versions = (page) => page.evaluate(() => caches.keys());

/** Holds back what is fetched from such an address, from here on; call the result to let it come, or become of it what `then` does. */
export async function holdBack(page, address, then = (route) => route.continue()) {
  let release;
  const released = new Promise((resolve) => (release = resolve));
  await page.route(address, async (route) => {
    await released;
    await then(route);
  });
  return release;
}
