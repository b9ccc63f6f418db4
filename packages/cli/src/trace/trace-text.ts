/**
 * A recording as text, a line a record, in the order in which the kernel came to know them.
 *
 * Owns: the form of the lines. Pure.
 */
import { DCORE_NAMES, decodeMonitorArm, ENGINES, formatAddress, queueName } from '@pedrera/hw';
import type { TraceRecord } from '@pedrera/uapi';
import { printable } from '../text/style.js';
import { formatSize } from '../text/units.js';
import type { TraceFile } from './file.js';
import { callText } from './strace-text.js';

const TIME_WIDTH = 13;
const KIND_WIDTH = 12;

export function* traceLines({ startedNs, totals, records }: TraceLinesSource): Generator<string> {
  for (const record of records) yield traceLine(record, startedNs);
  yield `# ${totals.records} records, ${totals.lost} lost`;
}

type TraceLinesSource = Pick<TraceFile, 'totals'> & {
  /** Times count from here. */
  readonly startedNs: number;
  readonly records: Iterable<TraceRecord>;
};

/** `     0.001234  call        12345 hl0  CB_CREATE(...) = 0 <0.000012>`. */
function traceLine(record: TraceRecord, startedNs: number): string {
  const seconds = ((record.timeNs - startedNs) / 1e9).toFixed(6).padStart(TIME_WIDTH);
  return `${seconds}  ${record.kind.padEnd(KIND_WIDTH)} ${printable(tell(record))}`.trimEnd();
}

function tell(record: TraceRecord): string {
  switch (record.kind) {
    case 'client':
      return `${record.pid} ${record.program} ${record.node}${record.before ? ' (before)' : ''}`;
    case 'client end':
      return `${record.pid}`;
    case 'call':
      return `${record.pid} ${record.node}  ${callText(record)} <${(record.durationNs / 1e9).toFixed(6)}>`;
    case 'submit':
      return `${record.pid} ${where(record)} seq ${record.seq} on ${record.queues.map((queue, i) => `${queueName(queue)}[${record.slots[i]}]`).join(' ')}`;
    case 'finish':
      return `${record.pid} ${where(record)} seq ${record.seq}${record.error === null ? '' : ` ${record.error}`}`;
    case 'wake':
      return `${record.pid} ${where(record)} seq ${record.seq}`;
    case 'sob':
      return `${where(record)} SOB ${dcore(record)} ${record.index} = ${record.value}`;
    case 'arm': {
      const { group, mask, mode, value } = decodeMonitorArm(record.value);
      return `${where(record)} monitor ${dcore(record)} ${record.index}: group ${group} mask 0x${mask.toString(16)} ${mode} ${value}, to ${formatAddress(record.address)}`;
    }
    case 'fire':
      return `${where(record)} monitor ${dcore(record)} ${record.index} writes 0x${record.value.toString(16)} to ${formatAddress(record.address)}`;
    case 'event':
      return `${record.device === null ? '' : `hl${record.device} `}${record.text}`;
    case 'contents':
      return `client ${record.client} handle 0x${record.handle.toString(16)} +${record.offset}: ${record.bytes.length} bytes`;
    case 'digest':
      return `client ${record.client} ${record.of} 0x${record.handle.toString(16)}, ${record.bytes} bytes: ${record.digest}`;
    case 'lost':
      return `${record.count} records`;
    default:
      return `${where(record)} ${stretch(record)} <${(record.durationNs / 1e9).toFixed(6)}>${record.end === 'done' ? '' : ` ${record.end}`}`;
  }
}

function stretch(record: Extract<TraceRecord, { durationNs: number; queue: number }>): string {
  const stream = record.queue < 0 ? '' : `${queueName(record.queue)}${record.lower ? ' lower' : ''} `;
  switch (record.kind) {
    case 'job':
      return `${stream}${record.seq === null ? '' : `seq ${record.seq} `}slot ${record.value}, ${formatSize(record.bytes)} of packets`;
    case 'fence wait':
      return `${stream}fence ${record.value}`;
    case 'move':
      return `${ENGINES[record.engine ?? 0] ?? ''} ${stream}${formatSize(record.bytes)} to ${formatAddress(record.address)}`;
    case 'computation':
      return `${ENGINES[record.engine ?? 0] ?? ''} ${stream}`;
    default:
      return stream;
  }
}

function where({ device, asid }: { device: number; asid: number }): string {
  return `hl${device} asid ${asid}`;
}

function dcore(record: { dcore: number }): string {
  return DCORE_NAMES[record.dcore as 0] ?? String(record.dcore);
}
