// Findings: a study that is brought is drawn, and what this machine trains joins its points.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TINY, until, withLab } from './page/lab.mjs';

const CPU = { ...TINY, device: 'cpu', epochs: '1', learners: 'dense' };

/** A study of two learners and two seeds each over this run's configuration, with made-up values. */
function study(run) {
  const learner = (name, value) => [{ name, control: false, density: name === 'dense' ? 1 : 0.2, flops: 1e9, value, samples: 32 }];
  const point = (name, seed, p_data, value) => ({
    condition: p_data === 1 ? 0 : 1,
    settings: { seed, p_data, learners: [name] },
    learners: learner(name, value),
  });
  const runs = [
    ...[1, 0.5].flatMap((share) => [1, 2].map((seed) => point('dense', seed, share, 0.4 * share + 0.1 * seed))),
    ...[1, 0.5].flatMap((share) => [1, 2].map((seed) => point('set@0.2', seed, share, 0.3 * share + 0.1 * seed))),
  ];
  const { config } = run;
  return {
    sparring_study: 1, name: 'mine <b>', question: 'Is it so?', verdict: 'Nobody knows.', measure: 'test',
    axes: ['p_data'], conditions: [['1'], ['0.5']], config, runs, version: '0.1.0',
  };
}

test('a study that is brought is drawn, and runs of this machine join its points', async () => {
  await withLab({ config: CPU }, async (lab) => {
    const { runs, findings } = lab;
    await lab.race();
    await runs.open();
    await runs.kept.waitFor();
    const run = JSON.parse((await runs.file(runs.button(runs.kept, 'Save file'))).text);
    const mine = study(run);

    // What is no study of this version is refused by its reason, and shows nothing.
    await runs.bring([{ name: 's.json', text: JSON.stringify({ ...mine, sparring_study: 7 }) }]);
    await until('a refusal', async () => /s\.json was not opened: it has format 7/.test(await lab.remark.innerText()));
    await runs.bring([{ name: 's.json', text: JSON.stringify(mine) }]);
    await findings.study('mine <b>').waitFor();
    assert.match(await lab.remark.innerText(), /The study 'mine <b>' is shown/);
    assert.match(await findings.study('mine <b>').innerText(), /Is it so\?[^]*Nobody knows\./);

    // The race from before has the settings of the dense point with all the data, and another seed.
    const dense = findings.point('mine <b>', 'Dense', '100% of the data');
    assert.match(await dense.innerText(), /3, 1 of them trained here/);
    assert.equal(await findings.rings('mine <b>').count(), 1);

    const set = findings.point('mine <b>', 'SET 0.2', '50% of the data');
    assert.match(await set.innerText(), /30\.0% ± [\d.]+\s+2\s/);
    await findings.oneMore(set);
    await lab.reach('finished');
    const { searchParams } = new URL(lab.page.url());
    assert.deepEqual(['seed', 'learners', 'p_data'].map((name) => searchParams.get(name)), ['3', 'set@0.2', '0.5']);
    await findings.open();
    await until('the new seed', async () => /3, 1 of them trained here/.test(await set.innerText()));
    assert.equal(await findings.rings('mine <b>').count(), 2);
    assert.deepEqual(lab.errors, []);
  });
});
