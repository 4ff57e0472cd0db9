// What several files ask of a race.
import assert from 'node:assert/strict';

/** Every learner of dense against SET has its numbers. */
export async function everyLearnerHasNumbers(lab) {
  const rows = await lab.numbers.rows();
  assert.ok(rows.length >= 2, `two learners have a row each, found ${JSON.stringify(rows)}`);
  const text = JSON.stringify(rows);
  assert.match(text, /dense/i);
  assert.match(text, /set/i);
  assert.doesNotMatch(text, /NaN|Infinity|undefined/);
}

/** After a failure the race that was kept is offered, and goes on. */
export async function goesOnWhereItWas(lab) {
  await lab.replay.resume.waitFor({ timeout: 60_000 });
  assert.equal(await lab.phase(), 'failed');
  assert.match(await lab.replay.resume.innerText(), /Resume from epoch [1-9]/);
  await lab.replay.resume.click();
  await lab.reach('training');
  await lab.morePointsThan(await lab.points());
}
