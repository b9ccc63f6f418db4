/**
 * The tours of docs/debugging.md: a hang, a leak, a fault, a slow program and a failure that is replayed, each found out with the commands that
 * the document shows. `PEDRERA_UPDATE_DOCS=1 npm test -- tours` writes what they print today into it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { transcriptsIn, withTranscripts } from './document.js';
import { Tour } from './tour.js';
import { withoutVarying } from './transcript.js';

const DOCUMENT = new URL('../../../../docs/debugging.md', import.meta.url);

/** What depends on the machine: the document shows the same sentences, with other numbers. */
const VARIES = { varies: true };

/** The document shows this run, but for what is another value in every run. */
function checkDocument(name: string, { shown }: Tour): void {
  const before = readFileSync(DOCUMENT, 'utf8');
  const printed = transcriptsIn(before, name);
  const now = shown.map(({ transcript, expected, varies }, i) => {
    const old = printed[i] ?? '';
    const [command, ...output] = old.split('\n');
    const same = varies
      ? command === transcript.split('\n')[0] && expected.every((pattern) => pattern.test(output.join('\n')))
      : withoutVarying(old) === withoutVarying(transcript);
    return same ? old : transcript;
  });
  if (process.env.PEDRERA_UPDATE_DOCS) writeFileSync(DOCUMENT, withTranscripts(before, name, now));
  expect(transcriptsIn(readFileSync(DOCUMENT, 'utf8'), name)).toEqual(now);
}

describe('tours of docs/debugging.md', { timeout: 180_000 }, () => {
  it('a hang across three processes', async () => {
    await using tour = await Tour.start({ devices: 2 });
    const said = [/^camera +pid \d+ +device 0$/m, /^filter +pid \d+ +device 1$/m, /^encoder +pid \d+ +device 0$/m];
    const pids = await tour.program('hang', said);
    const [camera = '', filter = ''] = pids;
    await tour.run(
      'pedrera ps',
      [/ deadlock: .* camera$/m, / deadlock: .* filter$/m, / deadlock: .* encoder$/m],
      VARIES,
    );
    const why = await tour.run(`pedrera why ${camera}`, [
      /^Deadlock of 3 processes on 2 devices: /,
      /^ +call WAIT_CS +for /m,
      ...pids.map((pid) => new RegExp(`\\bDMA_0_0 of pid ${pid}\\s+\\(device\\s+\\d\\)`)),
      /, as above: the circle is closed$/m,
    ]);
    const next = /^look next: (.*?) *#/m.exec(why)?.[1] ?? '';
    expect(next).toBe(`pedrera queues --device 1 --pid ${filter} --ring DMA_0_0`);
    await tour.run(next, [/^ +> .* FENCE 0 until >= 1, then -= 1$/m, /^ +\+\w+ {2}MSG_LONG 0x80000001 -> /m]);
    await tour.end();
    checkDocument('hang', tour);
  });

  it('a leaked dma-buf', async () => {
    await using tour = await Tour.start({ devices: 2 });
    const [camera = '', viewer = ''] = await tour.program('leak', [/^camera .* ended \(0\)$/m, /^viewer /m]);
    const kept = new RegExp(
      `^ +dma-buf .* 4 MiB .* MEMORY_EXPORT_DMABUF_FD, call \\d+ +attachment of pid ${viewer} \\(viewer\\)$`,
      'm',
    );
    const gone = new RegExp(`^pid ${camera} camera is gone and left$`, 'm');
    await tour.run('pedrera leaks', [/^3 leaks, 4 MiB: alive though the owner is gone$/m, gone, kept], { exitCode: 1 });
    const imported = /^ +mapping .* 4 MiB .* DMABUF_IMPORT, call \d+$/m;
    await tour.run(`pedrera leaks --pid ${viewer} --all`, [imported], { exitCode: 1 });
    await tour.end();
    checkDocument('leak', tour);
  });

  it('a page fault', async () => {
    await using tour = await Tour.start({ devices: 1 });
    const said = [/^left +pid \d+ +has copied 4 rows$/m, /^right +pid \d+ +failed: WAIT_CS: EIO \(.*page-fault at /m];
    const [, right = ''] = await tour.program('fault', said);
    const events = await tour.run('pedrera events --severity error', [
      new RegExp(`error +fault hl0 pid ${right} ASID 2 DMA_0_0 cs 1: page-fault at 0x[0-9a-f]+,`),
      /LIN_DMA\s+on\s+DMA_0_0;\s+byte 120\s+of its\s+command\s+buffer:\s+LIN_DMA\s+524288 B/,
    ]);
    const address = /page-fault at (0x[0-9a-f]+)/.exec(events)?.[1] ?? '';
    await tour.run(`pedrera cs --pid ${right}`, [/ failed .* DMA_0_0/, /^ +EIO: page-fault at 0x/m], VARIES);
    await tour.run(`pedrera vm ${right} --walk ${address}`, [
      new RegExp(`^ +${address} leads nowhere; .*0 B past the end of 0x27fc000400000 \\(device memory 4\\)$`, 'm'),
      new RegExp(`last fault, .* ago, at ${address}`),
    ]);
    await tour.end();
    checkDocument('fault', tour);
  });

  it('a slow pipeline', async () => {
    await using tour = await Tour.start({ devices: 3 });
    await tour.program('slow', [/^capture +pid /m, /^mirror +pid /m, /^encode +pid /m]);
    await tour.run('pedrera why', [/^nothing is stuck/], VARIES);
    const line = /^t=.* client \d+ mirror device 1 asid 1: busy [\d.]+%, /m;
    await tour.run('pedrera top -l -n 1', [line], { ...VARIES, until: busiestIsDevice1 });
    const recorded = await tour.background('pedrera trace record -o slow.pedrera-trace', [/^recording into slow/]);
    await framesPassed(tour, 3);
    await tour.run('pedrera trace stop', [/^ended 1 recording of [\d,]+ records$/m], VARIES);
    expect(await recorded()).toMatch(/^recorded [\d,]+ records, .* into slow\.pedrera-trace$/m);
    const text = 'pedrera trace export --format text slow.pedrera-trace > slow.txt';
    await tour.run(
      `${text}; grep ' move .*hl0' slow.txt | head -3`,
      [/ move +hl0 asid 1 DMA0 DMA_0_0 64 KiB to /],
      VARIES,
    );
    await tour.run("grep ' move .*hl1' slow.txt | head -6", [/ move +hl1 asid 1 DMA0 DMA_0_0 64 B to /], VARIES);
    await tour.end();
    checkDocument('slow', tour);
  });

  it('a failure that is recorded and replayed', async () => {
    await using tour = await Tour.start({ devices: 0 });
    const record = 'pedrera trace record --replayable --policy shared';
    const program = 'node packages/examples/dist/tours/fault.js once';
    const failed = [/^right .* failed: WAIT_CS: EIO/m, /recorded \d+ records, .* into bug\.pedrera-trace$/m];
    await tour.run(`${record} -o bug.pedrera-trace -- ${program}`, failed, VARIES);
    const again =
      /^ +failed in both: client 3 \(right, hl0\), call \d+: WAIT_CS.* -1 EIO \(.*page-fault at 0x27fc000600000/m;
    await tour.run('pedrera trace replay bug.pedrera-trace', [/^the same: 2 clients, /, again], VARIES);
    const passed = [/^right .* has copied 4 rows$/m, /recorded \d+ records, .* into repaired\.pedrera-trace$/m];
    await tour.run(`${record} -o repaired.pedrera-trace -- ${program} repaired`, passed, VARIES);
    const first = [/^different: client 3 \(right, hl0\), call \d+: its arguments$/m, /size=168/, /size=120/];
    const against = 'pedrera trace replay bug.pedrera-trace --against repaired.pedrera-trace';
    await tour.run(against, first, { ...VARIES, exitCode: 1 });
    await tour.end();
    checkDocument('replay', tour);
  });
});

/** Of the engines with a line, as `top` has counted them. */
function busiestIsDevice1(output: string): boolean {
  const engines = [...output.matchAll(/engine (\d) DMA0: busy ([\d.]+)%/g)];
  const busy = engines.map(([, device, share]) => ({ device, share: Number(share) }));
  return busy.sort((a, b) => b.share - a.share)[0]?.device === '1';
}

/** So many more submissions were completed on the device in the middle. */
async function framesPassed({ daemon }: Tour, count: number): Promise<void> {
  const done = async () => {
    const { devices } = await daemon.client.inspectQueues();
    return devices[1]?.queues[0]?.completed ?? 0;
  };
  const target = (await done()) + count;
  while ((await done()) < target);
}
