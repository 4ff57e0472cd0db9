// Registers the service worker, and offers a new version instead of taking it: a reload ends the race that runs.
const notice = document.getElementById('new-version');

function offer(waiting) {
  notice.hidden = false;
  notice.querySelector('button').onclick = () => {
    // Only now, and only in the page that asked: the first version's own take-over must not reload a page.
    navigator.serviceWorker.addEventListener('controllerchange', () => location.reload(), { once: true });
    waiting.postMessage('take over');
  };
}

async function register() {
  const registration = await navigator.serviceWorker.register('sw.js', { updateViaCache: 'none' });
  if (registration.waiting && navigator.serviceWorker.controller) offer(registration.waiting);
  registration.addEventListener('updatefound', () => {
    const coming = registration.installing;
    coming.addEventListener('statechange', () => {
      if (coming.state === 'installed' && navigator.serviceWorker.controller) offer(coming);
    });
  });
}

// Not there on an insecure origin. A browser may refuse it too (private windows): then the page needs a network, and says nothing.
if ('serviceWorker' in navigator) {
  // Once the page is ready to train (`Lab::ready`): what is kept is fetched all over again, and would take the line from what is waited for.
  addEventListener('sparring-ready', () => register().catch(() => {}), { once: true });
}
