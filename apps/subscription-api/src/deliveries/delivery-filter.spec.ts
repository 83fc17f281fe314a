import { expect, it } from 'vitest';
import { searchOf } from './delivery-filter.js';

it.each([
  [undefined, ['attempted', 'unplanned', 'behind', 'sentAgain'], null],
  [['delivered'], ['attempted'], ['delivered']],
  [['failed'], ['unsuccessful'], ['failed']],
  [['failed', 'retrying'], ['unsuccessful', 'retried', 'sentAgain'], ['failed']],
  [['dropped'], ['unsuccessful'], ['dropped', 'retry']],
  [['delivered', 'dropped'], ['attempted'], ['delivered', 'dropped', 'retry']],
  [['retrying'], ['retried', 'sentAgain'], []],
  [['suspended'], ['behind', 'sentAgain'], []],
  [['sending'], ['unplanned', 'spilt'], []],
  [['sending', 'waiting'], ['unplanned', 'behind', 'sentAgain'], []],
] as const)('looks for %j in %j', (statuses, sources, outcomes) => {
  expect(searchOf({ statuses }, false)).toEqual({ sources, outcomes });
});

it('looks by agent, or by the log, where that is less', () => {
  expect(searchOf({ agentId: 136 }, false).sources).toContain('attemptedOfAgent');
  expect(searchOf({ statuses: ['waiting'] }, true).sources).toEqual(['behindByLog', 'sentAgain']);
});
