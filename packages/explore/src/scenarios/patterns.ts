/** What several scenarios do. Owns no scenario. */
import type { Client } from '../client.js';
import { copy, fill, program } from '../packets.js';
import type { Stage } from '../scenario.js';

/** One page of device memory, the smallest piece there is. */
export const DEVICE_BYTES = 2 * 2 ** 20;
/** As much of it is looked at. */
export const BYTES = 4096;
export const UNTOUCHED = 0xffff_ffff;
/** A queue that copies to the host; the first four copy to the device. */
export const DMA_UP = 4;

/** Device memory filled with a pattern, and a descriptor of it. */
export async function exported(owner: Client, pattern: number) {
  const memory = await owner.deviceMemory(DEVICE_BYTES);
  await owner.wait(await owner.submit([await owner.job(program(fill(memory.address, BYTES, pattern)))]));
  const { fd } = await owner.call('MEMORY_EXPORT_DMABUF_FD', { handle: memory.handle, size: 0, flags: 0 });
  const { token } = await owner.call('DMABUF_TOKEN', { fd });
  return { ...memory, fd, token };
}

/** Something to look through: fetches what is at a device address and compares it. */
export async function lens(reader: Client) {
  const buffer = await reader.hostBuffer(BYTES, UNTOUCHED);
  return async (address: number, allowed: readonly number[]) => {
    const seq = await reader.submit([await reader.job(program(copy(address, buffer.address, BYTES)), DMA_UP)]);
    await reader.wait(seq);
    reader.expectWords(buffer.words, allowed, `what is at 0x${address.toString(16)}`);
    buffer.words.fill(UNTOUCHED);
  };
}

/** Has a device reset, as an operator would, at some moment. */
export async function resetDevice(operator: Client, stage: Stage, device = 0): Promise<void> {
  await pause(stage, 'operator', 12);
  await operator.call('INJECT', { device, kind: 'reset', target: '', value: 0 });
}

/** Takes its time: as many moves, between which others have theirs. */
export async function pause(stage: Stage, who: string, moves: number): Promise<void> {
  const ticks = stage.box<number>(`${who}-pauses`);
  for (let i = 0; i < moves; i++) {
    ticks.put(i);
    await ticks.take();
  }
}
