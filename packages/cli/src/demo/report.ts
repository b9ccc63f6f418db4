/**
 * The demo's result: the document, and its text. Pure.
 */
import type { QueuesSnapshot } from '@pedrera/uapi';
import type { Style } from '../text/style.js';
import { type Column, tableLines } from '../text/table.js';
import { formatCount, formatDuration, formatRate, formatSize, plural } from '../text/units.js';
import type { ReadReport, RelayReport, UploadReport } from './calls.js';
import { chunksOf, type Plan } from './plan.js';

export interface DemoDocument {
  readonly schema: 'pedrera.demo/1';
  readonly file: string;
  readonly sizeBytes: number;
  readonly chunkBytes: number;
  readonly chunks: number;
  readonly devices: number;
  readonly transfers: readonly Transfer[];
  readonly overlap: readonly Overlap[];
  /** How many chunks were back in host memory when the last one left it. */
  readonly chunksBackBeforeLastArrived: number;
  readonly sha256: { readonly file: string; readonly readBack: string; readonly identical: boolean };
  /** The queues at the moment when relays and reader were blocked, and nothing had been uploaded. */
  readonly blocked: QueuesSnapshot;
}

export interface Transfer {
  readonly step: 'upload' | 'relay' | 'read back';
  readonly device: number;
  readonly pid: number;
  readonly ms: number;
  readonly bytesPerSecond: number;
}

/** How far a relay had come when the last chunk left its source. */
interface Overlap {
  readonly device: number;
  readonly chunksDoneBeforeLastArrived: number;
}

export interface Timings {
  readonly plan: Plan;
  readonly upload: UploadReport;
  readonly relays: readonly RelayReport[];
  readonly read: ReadReport;
  /** Loader, relays in order, reader. */
  readonly pids: { readonly loader: number; readonly relays: readonly number[]; readonly reader: number };
}

export function transfersOf({ plan, upload, relays, read, pids }: Timings): Transfer[] {
  const timed = (step: Transfer['step'], place: { device: number; pid: number }, ms: number): Transfer => ({
    step,
    ...place,
    ms,
    bytesPerSecond: ms > 0 ? Math.round((plan.sizeBytes * 1000) / ms) : 0,
  });
  // The others have something to do from the moment the first chunk is in the memory of device 0.
  const firstArrival = upload.doneMs[0] ?? upload.startMs;
  return [
    timed('upload', { device: 0, pid: pids.loader }, upload.endMs - upload.startMs),
    ...relays.map((relay, i) =>
      timed('relay', { device: i + 1, pid: pids.relays[i] ?? 0 }, (relay.doneMs.at(-1) ?? firstArrival) - firstArrival),
    ),
    timed('read back', { device: relays.length, pid: pids.reader }, read.endMs - firstArrival),
  ];
}

/** How far everybody behind the loader had come when the last chunk had arrived in the memory of device 0. */
export function overlapsOf(timings: Timings): Pick<DemoDocument, 'overlap' | 'chunksBackBeforeLastArrived'> {
  const { upload, read } = timings;
  const lastArrival = upload.doneMs.at(-1) ?? upload.endMs;
  return {
    overlap: relayOverlaps(timings, lastArrival),
    chunksBackBeforeLastArrived: read.doneMs.filter((done) => done < lastArrival).length,
  };
}

function relayOverlaps({ plan, relays }: Timings, lastArrival: number): Overlap[] {
  return relays.map(({ doneMs }, i) => {
    const before = doneMs.filter((done) => done < lastArrival).length;
    const chunks = Array.from({ length: before }, (_, submission) => chunksOf(plan, submission).length);
    return { device: i + 1, chunksDoneBeforeLastArrived: chunks.reduce((sum, count) => sum + count, 0) };
  });
}

const TRANSFER_COLUMNS: readonly Column<Transfer & { readonly sizeBytes: number }>[] = [
  { title: '', value: ({ step }) => step },
  { title: 'SIZE', align: 'right', value: ({ sizeBytes }) => formatSize(sizeBytes) },
  { title: 'TIME', align: 'right', value: ({ ms }) => formatDuration(ms) },
  { title: 'RATE', align: 'right', value: ({ sizeBytes, ms }) => formatRate(sizeBytes, ms) },
  { title: 'WAY', shrink: true, value: wayOf },
];

function wayOf({ step, device }: Transfer): string {
  switch (step) {
    case 'upload':
      return 'file -> host memory -> HBM of device 0';
    case 'relay':
      return `HBM of device ${device - 1} -> HBM of device ${device}, peer to peer`;
    case 'read back':
      return `HBM of device ${device} -> host memory, hashed`;
  }
}

export function renderDemo(document: DemoDocument, style: Style): string {
  const rows = document.transfers.map((transfer) => ({ ...transfer, sizeBytes: document.sizeBytes }));
  const [titles, ...lines] = tableLines(rows, TRANSFER_COLUMNS, style.width);
  const { file, readBack, identical } = document.sha256;
  return [
    style.dim(titles ?? ''),
    ...lines,
    ...document.overlap.map(
      ({ device, chunksDoneBeforeLastArrived }) =>
        `overlap: ${formatCount(chunksDoneBeforeLastArrived)} of ${plural(document.chunks, 'chunk')} had reached device ${device} before the last one had reached device 0`,
    ),
    `overlap: ${formatCount(document.chunksBackBeforeLastArrived)} of ${plural(document.chunks, 'chunk')} were back in host memory by then`,
    '',
    `sha256  ${file}  of the file`,
    `sha256  ${readBack}  of what came back: ${identical ? style.green('identical') : style.red('DIFFERENT')}`,
  ].join('\n');
}
