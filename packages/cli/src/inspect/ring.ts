/**
 * `pedrera queues --ring`: the entries of one queue's ring, with the packets they point to.
 *
 * Owns: how a range of a ring is spelled, and the text form of RingSnapshot. Must not know: how packets are decoded.
 */
import { HlError } from '@pedrera/base';
import { queueByName } from '@pedrera/hw';
import { type RingEntry, type RingPacket, type RingSnapshot, SNAPSHOT_SECTION } from '@pedrera/uapi';
import { deviceError, usageError } from '../exit.js';
import type { DaemonSession } from '../session.js';
import type { Style } from '../text/style.js';
import { type Column, drawTable } from '../text/table.js';
import { formatHex, formatSize, orDash, plural } from '../text/units.js';
import type { Inspection } from './inspection.js';

export interface RingRange {
  readonly queue: number;
  /** Slots; both 0: what is between consumer and producer. */
  readonly from: number;
  readonly to: number;
}

interface RingOptions {
  readonly ring: string;
  readonly device: number | undefined;
  readonly pid: number | undefined;
}

const MARK = '>';
const PACKET_INDENT = ' '.repeat(8);

const COLUMNS: readonly Column<RingEntry>[] = [
  { title: '', value: ({ state }) => (state === 'running' ? MARK : ' ') },
  { title: 'SLOT', align: 'right', value: ({ slot }) => String(slot) },
  { title: 'INDEX', align: 'right', value: ({ index }) => orDash(index) },
  { title: 'STATE', value: ({ state }) => state },
  { title: 'CS', align: 'right', value: ({ seq }) => orDash(seq) },
  { title: 'SIZE', align: 'right', value: ({ state, bytes }) => (state === 'empty' ? '-' : formatSize(bytes)) },
  { title: 'ADDRESS', align: 'right', value: ({ state, address }) => (state === 'empty' ? '-' : formatHex(address)) },
];

/** `DMA_0_0`, `DMA_0_0[16:32]`: slots 16 to 31. */
export function parseRing(text: string): RingRange {
  const match = /^([A-Za-z0-9_]+)(?:\[(\d{1,5}):(\d{1,5})\])?$/.exec(text);
  const info = match === null ? undefined : queueByName((match[1] ?? '').toUpperCase());
  if (match === null || info === undefined) {
    throw usageError(
      `--ring '${text}': expected a queue, with slots or without`,
      'for example: DMA_0_0, TPC_3_1[0:16]',
    );
  }
  const [from, to] = match[2] === undefined ? [0, 0] : [Number(match[2]), Number(match[3])];
  if (match[2] !== undefined && !(from < to && to <= info.length)) {
    throw usageError(`--ring '${text}': the slots of ${info.name} are [0:${info.length}], the second not included`);
  }
  return { queue: info.id, from, to };
}

export function ringInspection({ ring, device = 0, pid }: RingOptions): Inspection<RingSnapshot> {
  const range = parseRing(ring);
  return {
    fetch: async (session) => {
      const asid = pid === undefined ? 0 : await asidOf(session, device, pid);
      try {
        return await session.inspectRing({ device, asid, ...range });
      } catch (error) {
        if (!(error instanceof HlError) || pid !== undefined || error.code !== 'EINVAL') throw error;
        throw deviceError(error.message, 'choose a process with --pid; those that use the queue: pedrera queues');
      }
    },
    render: (document, style) => renderRing(document, style, range.to > 0),
  };
}

async function asidOf(session: DaemonSession, device: number, pid: number): Promise<number> {
  const { clients = [] } = await session.inspect({ sections: SNAPSHOT_SECTION.CLIENTS, device, pid });
  const asids = clients.filter((client) => client.pid === pid && client.device === device).map(({ asid }) => asid);
  const asid = asids.find((candidate) => candidate !== null);
  if (asid === undefined || asid === null) {
    throw deviceError(`process ${pid} has no context on device ${device}`, 'those that have: pedrera ps');
  }
  return asid;
}

/** Slots nothing was ever written to are shown only to who asked for slots. */
export function renderRing(ring: RingSnapshot, style: Style, all = true): string {
  const { device, name, kind, asid, pid, length, pi, ci, fetched, next } = ring;
  const entries = all ? ring.entries : ring.entries.filter(({ state }) => state !== 'empty');
  const open = (pi - ci + 2 * length) % (2 * length);
  const head = [
    `${style.bold(`device ${device}, ${name}`)} (${kind}), ASID ${asid}, pid ${pid}: ${plural(length, 'slot')}`,
    `producer ${pi}, fetched ${fetched}, consumer ${ci}: ${plural(open, 'entry', 'entries')} not done`,
  ];
  if (entries.length === 0) return [...head, 'nothing was ever put into it'].join('\n');
  const body = drawTable(entries, COLUMNS, style, (line, entry) => entryLines(line, entry, style));
  const more = next === null ? [] : [style.dim(`more from slot ${next} on: --ring ${name}[${next}:${length}]`)];
  return [...head, ...body, ...more].join('\n');
}

function entryLines(line: string, entry: RingEntry, style: Style): string[] {
  const painted = entry.state === 'running' ? style.bold(line) : entry.state === 'pending' ? line : style.dim(line);
  return [
    painted,
    ...entry.packets.map((packet) => packetLine(packet, style)),
    ...(entry.unread === null ? [] : [style.dim(`${PACKET_INDENT}  ${entry.unread}`)]),
  ];
}

function packetLine({ offset, text, current }: RingPacket, style: Style): string {
  const line = `${PACKET_INDENT}${current ? MARK : ' '} +${offset.toString(16).padStart(4, '0')}  ${text}`;
  const cut = line.length > style.width ? `${line.slice(0, style.width - 1)}…` : line;
  return current ? style.yellow(cut) : cut;
}
