/**
 * A program that is slow, for docs/debugging.md: three processes on three devices pass frames on, and wait for each other in their streams.
 *
 * The mistake is in the process in the middle: it copies a frame in pieces of 64 bytes, each a packet of its own.
 */
import { Dcore, openDevice, Queue, type Submission } from '@pedrera/thunk';
import { endWithParent, nextMessage, roleOfThisProcess, startProcess, tellParent } from './support.js';

const FRAME_BYTES = 64 * 1024;
const STAGES = [
  { name: 'capture', device: 0, pieceBytes: FRAME_BYTES },
  { name: 'mirror', device: 1, pieceBytes: 64 },
  { name: 'encode', device: 2, pieceBytes: FRAME_BYTES },
];
const IN_FLIGHT = 4;
const queue = Queue.DMA_0_0;

interface Shared {
  readonly frame: string;
  readonly turn: string;
}

const stage = STAGES.find(({ name }) => name === roleOfThisProcess());
if (stage === undefined) await conductor();
else await run(stage);

async function conductor(): Promise<void> {
  endWithParent();
  const children = [];
  const shared: Shared[] = [];
  for (const { name, device } of STAGES) {
    const child = startProcess(import.meta.url, name);
    shared.push(await nextMessage(child));
    children.push(child);
    console.log(`${name.padEnd(7)}  pid ${child.pid}  device ${device}`);
  }
  children.forEach((child, i) => {
    // Frames come from the stage before, and the turn goes to the one behind; the last one's to the first.
    const [before, behind] = [shared[(i + 2) % 3], shared[(i + 1) % 3]];
    child.send({ frame: before?.frame ?? '', turn: behind?.turn ?? '' } satisfies Shared);
  });
}

async function run({ name, device: index, pieceBytes }: (typeof STAGES)[number]): Promise<void> {
  endWithParent();
  const device = await openDevice(index, { program: name });
  const frame = await device.allocHbm(FRAME_BYTES);
  const turn = await device.leaseSync({ dcore: Dcore.E_N, syncObjects: 1, monitors: 1 });
  const tokens = [await device.exportDmaBuf(frame), await device.exportSync(turn)].map(({ token }) => token);
  tellParent({ frame: tokens[0] ?? '', turn: tokens[1] ?? '' } satisfies Shared);
  const others = await nextMessage<Shared>(process);
  const before = await device.importDmaBuf(others.frame);
  const nextTurn = (await device.importDmaBuf(others.turn)).object(0);

  const cb = await device.createCommandBuffer(FRAME_BYTES);
  cb.waitFor({ syncObject: turn.object(0), monitor: turn.monitor(0), value: 1, queue }).setSyncObject(
    turn.object(0),
    0,
  );
  for (let at = 0; at < FRAME_BYTES; at += pieceBytes) {
    cb.linDma({ from: before, to: frame, fromOffset: at, toOffset: at, size: pieceBytes });
  }
  cb.signal(nextTurn);
  const inFlight: Submission[] = [];
  for (let round = 0; ; round++) {
    while (inFlight.length < IN_FLIGHT) inFlight.push(await device.submit({ queue, cb }));
    if (round === 0 && index === 0) {
      const first = (await device.createCommandBuffer()).signal(turn.object(0));
      await device.submit({ queue: Queue.DMA_1_0, cb: first });
    }
    await inFlight.shift()?.wait();
  }
}
