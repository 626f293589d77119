import { expect, it } from '@jest/globals';
import { planAssignment, planConfigured } from './plan.js';
import { defaultPolicy } from './policy.js';
import { file, TestAssignment } from './test-commands.js';

it('a large site is planned in turns, and the plan is the same', async () => {
  const base = Array.from({ length: 100 }, (_, number) => file(`f${100 + number}`, 'x'));
  const result = [...base, ...Array.from({ length: 9 }, (_, number) => file(`g${number}`, 'y'))];
  const assignment = new TestAssignment();
  for (const { path } of result.slice(100)) assignment.put(path, 'y');
  const caps = assignment.header(base, result);
  let pauses = 0;
  const planned = await planConfigured(base, assignment.commands, {
    ...{ caps, policy: defaultPolicy },
    read: () => Promise.reject(new Error('nothing is to be read')),
    pause: () => {
      pauses += 1;
      return undefined;
    },
  });
  expect(planned).toEqual(planAssignment(base, assignment.commands, caps));
  // Of the base: compared, then loaded; each command; of the result: compared, then a step each.
  expect(pauses).toBe(100 + 100 + 9 + 109 + 109);
});
