/** What the DEVICES section says of work that is over. */
import { encodeNop } from '@pedrera/hw';
import { describe, expect, it } from 'vitest';
import { TestRig } from '../test-rig.js';

describe('the durations of submissions', () => {
  it('count each that ended, for as long as it took', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    const nop = rig.chunk(file, 0, (words) => encodeNop(words, 0));
    for (let i = 0; i < 3; i++) rig.csNow(file, { chunksExecute: [nop] });
    rig.run();
    const { submissionTimes, submissions } = rig.device();
    expect(submissions.completed).toBe(3);
    expect([...submissionTimes.counts].reduce((sum, count) => sum + count, 0)).toBe(3);
    expect(submissionTimes.sumNs).toBeGreaterThanOrEqual(0);
  });
});
