/** The numbers and the text of a performance. */
import { describe, expect, it } from 'vitest';
import { makeStyle } from '../text/style.js';
import { planChunks } from './plan.js';
import { type DemoDocument, overlapsOf, renderDemo, type Timings, transfersOf } from './report.js';

const plan = planChunks(4 * 65_536);

const timings: Timings = {
  plan,
  upload: { startMs: 100, endMs: 110, doneMs: [102, 104, 106, 110] },
  relays: [{ doneMs: [103, 105, 107, 112] }, { doneMs: [108, 111, 113, 114] }],
  read: { doneMs: [109, 112, 115, 121], endMs: 124, sha256: 'ab' },
  pids: { loader: 1, relays: [2, 3], reader: 4 },
};

describe('the numbers', () => {
  it('everybody is timed from the moment there is something to do', () => {
    expect(transfersOf(timings).map(({ step, device, pid, ms }) => [step, device, pid, ms])).toEqual([
      ['upload', 0, 1, 10],
      ['relay', 1, 2, 10],
      ['relay', 2, 3, 12],
      ['read back', 2, 4, 22],
    ]);
  });

  it('overlap counts what relays and reader had finished when the last chunk arrived', () => {
    expect(overlapsOf(timings)).toEqual({
      overlap: [
        { device: 1, chunksDoneBeforeLastArrived: 3 },
        { device: 2, chunksDoneBeforeLastArrived: 1 },
      ],
      chunksBackBeforeLastArrived: 1,
    });
  });
});

describe('the text', () => {
  const document: DemoDocument = {
    schema: 'pedrera.demo/1',
    file: '/a/file',
    sizeBytes: plan.sizeBytes,
    chunkBytes: plan.chunkBytes,
    chunks: plan.chunks,
    devices: 3,
    transfers: transfersOf(timings),
    ...overlapsOf(timings),
    sha256: { file: 'ab', readBack: 'ab', identical: true },
    blocked: { schema: 'pedrera.queues/1', devices: [] },
  };

  it('of a success', () => {
    expect(renderDemo(document, makeStyle(100, false))).toBe(
      `
              SIZE   TIME        RATE  WAY
upload     256 KiB  10 ms    25 MiB/s  file -> host memory -> HBM of device 0
relay      256 KiB  10 ms    25 MiB/s  HBM of device 0 -> HBM of device 1, peer to peer
relay      256 KiB  12 ms  20.8 MiB/s  HBM of device 1 -> HBM of device 2, peer to peer
read back  256 KiB  22 ms  11.4 MiB/s  HBM of device 2 -> host memory, hashed
overlap: 3 of 4 chunks had reached device 1 before the last one had reached device 0
overlap: 1 of 4 chunks had reached device 2 before the last one had reached device 0
overlap: 1 of 4 chunks were back in host memory by then

sha256  ab  of the file
sha256  ab  of what came back: identical`.slice(1),
    );
  });

  it('of a difference', () => {
    const differing = { ...document, sha256: { file: 'ab', readBack: 'cd', identical: false } };
    expect(renderDemo(differing, makeStyle(100, false))).toMatch(/sha256 {2}cd {2}of what came back: DIFFERENT$/);
  });
});
