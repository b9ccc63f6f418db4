/** What `pedrera queues` sees: which queues have a row, and what an internal one waits for. */
import { encodeCpDma, encodeFence, encodeNop, SRAM_USER_BASE } from '@pedrera/hw';
import { describe, expect, it } from 'vitest';
import { TestRig } from '../test-rig.js';
import { queuesOf } from './queues.js';
import { takeMoment } from './snapshot.js';
import { NO_BOOKS } from './testing.js';

async function inspectQueues(rig: TestRig) {
  const moment = await takeMoment(rig.machine, { device: 0, pid: 0, address: 0 }, NO_BOOKS);
  return queuesOf(rig.device(), moment);
}

/** DMA_2_1. */
const INTERNAL = 10;

describe('inspectQueues', () => {
  it('internal queues appear once they are used, external ones always', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    expect((await inspectQueues(rig)).queues.map(({ id }) => id)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    const chunk = await rig.sramChunk(INTERNAL, SRAM_USER_BASE, (words) => encodeNop(words, 0));
    rig.csNow(file, { chunksExecute: [chunk, rig.chunk(file, 0, (words) => encodeNop(words, 0))] });
    rig.run();
    const { queues } = await inspectQueues(rig);
    expect(queues.map(({ id }) => id)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, INTERNAL]);
    expect(queues[8]).toMatchObject({ name: 'DMA_2_1', kind: 'internal', completed: 1, blockedOn: null, head: null });
  });

  it('a fence in a lower command buffer blocks the queue that gave it', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const lower = SRAM_USER_BASE + 0x1000;
    const { size } = await rig.sramChunk(INTERNAL, lower, (words) =>
      encodeFence(words, 0, { id: 2, target: 1, dec: 1 }),
    );
    const upper = await rig.sramChunk(INTERNAL, SRAM_USER_BASE, (words) => encodeCpDma(words, 0, { size, src: lower }));
    const hold = rig.chunk(file, 0, (words) => encodeFence(words, 0, { id: 0, target: 1, dec: 1 }));
    rig.csNow(file, { chunksExecute: [upper, hold] });
    rig.run();
    const { queues } = await inspectQueues(rig);
    expect(queues.find(({ id }) => id === INTERNAL)).toMatchObject({
      head: { name: 'FENCE' },
      blockedOn: { fence: { id: 2, target: 1, value: 0 }, reason: expect.stringContaining('no armed monitor') },
    });
    rig.device().requestReset({ kind: 'manual' });
    await rig.finishReset();
  });
});
