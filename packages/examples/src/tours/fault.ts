/**
 * A program that faults, for docs/debugging.md: two processes make thumbnails on one device, and one of them goes wrong. `once` has it end
 * then; `repaired` shows it without the bug.
 *
 * The bug: all rows of the picture are copied, though the thumbnail has fewer, so the copies run past the end of the memory they write.
 */
import { HlError, openDevice, Queue } from '@pedrera/thunk';
import { endWithParent, nextMessage, roleOfThisProcess, startProcess, tellParent } from './support.js';

const ROW_BYTES = 512 * 1024;
const THUMBNAIL_ROWS = 4;
const words = process.argv.slice(2);
const ROWS: Readonly<Record<string, number>> = { left: 4, right: words.includes('repaired') ? 4 : 6 };

const role = roleOfThisProcess();
const rows = ROWS[role ?? ''];
if (role === undefined || rows === undefined) await conductor();
else await worker(role, rows);

async function conductor(): Promise<void> {
  endWithParent();
  for (const name of Object.keys(ROWS)) {
    const child = startProcess(import.meta.url, name, ...words);
    const { outcome } = await nextMessage<{ outcome: string }>(child);
    console.log(`${name.padEnd(5)}  pid ${child.pid}  ${outcome}`);
    if (words.includes('once')) child.disconnect();
  }
}

async function worker(name: string, rows: number): Promise<void> {
  endWithParent();
  const device = await openDevice(0, { program: name });
  const picture = await device.allocHbm(8 * ROW_BYTES);
  const thumbnail = await device.allocHbm(THUMBNAIL_ROWS * ROW_BYTES);
  const cb = await device.createCommandBuffer();
  cb.memset({ to: picture, pattern: 0xff8040 });
  for (let row = 0; row < rows; row++) {
    // The address as a number: this library would refuse an offset outside the memory.
    const to = thumbnail.address + row * ROW_BYTES;
    cb.linDma({ from: picture, fromOffset: row * ROW_BYTES, to, size: ROW_BYTES });
  }
  const submission = await device.submit({ queue: Queue.DMA_0_0, cb });
  const outcome = await submission.wait().then(
    () => `has copied ${rows} rows`,
    (error: unknown) => (error instanceof HlError ? `failed: ${error.message}` : String(error)),
  );
  tellParent({ outcome });
}
