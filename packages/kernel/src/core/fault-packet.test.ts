/** A fault is told with the packet that had it. */
import { encodeLinDma, encodeMsgLong, encodeNop, HOST_VA_USER_BASE, SRAM_USER_BASE } from '@pedrera/hw';
import { describe, expect, it } from 'vitest';
import { TestRig } from './test-rig.js';

const UNMAPPED = HOST_VA_USER_BASE + 0x1000;

describe('a fault in the event log', () => {
  it('has the place of the packet in its command buffer', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    rig.submit(file, 0, (words) => {
      const at = encodeNop(words, 0);
      return encodeLinDma(words, at, { size: 64, memSet: 1, dst: UNMAPPED });
    });
    rig.run();
    const at = `0x${UNMAPPED.toString(16)}`;
    const packet = `LIN_DMA 64 B pattern 0x0000000000000000 -> ${at}`;
    expect(faultsOf(rig)).toEqual([`page-fault at ${at}, LIN_DMA on DMA_0_0; byte 8 of its command buffer: ${packet}`]);
  });

  it('has no place for what is in no command buffer of the kernel', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const write = (words: Uint32Array) => encodeMsgLong(words, 0, { value: 1, address: UNMAPPED });
    const chunk = await rig.sramChunk(10, SRAM_USER_BASE, write);
    rig.csNow(file, { chunksExecute: [chunk, rig.chunk(file, 0, (words) => encodeNop(words, 0))] });
    rig.run();
    expect(faultsOf(rig)).toEqual([`page-fault at 0x${UNMAPPED.toString(16)}, MSG_LONG on DMA_2_1`]);
  });
});

function faultsOf({ machine }: TestRig): string[] {
  return [...machine.eventLog].filter(({ kind }) => kind === 'fault').map(({ text }) => text);
}
