/**
 * The ring of one queue of one context, entry by entry, with the packets of the command buffers in it.
 *
 * Owns: which entries are shown, how far they are. Reads only; must not change anything.
 */
import { errno } from '@pedrera/base';
import {
  decodePacket,
  formatPacket,
  QUEUE_COUNT,
  QUEUES,
  type QueueInfo,
  queueName,
  ringAdvance,
  ringDistance,
  ringSlot,
  type StreamSnapshot,
} from '@pedrera/hw';
import type { RingEntry, RingPacket, RingSnapshot } from '@pedrera/uapi';
import type { Context } from '../context.js';
import type { ContextQueue } from '../context-queue.js';
import type { HlDevice } from '../device.js';
import type { Machine } from '../machine.js';
import { type Code, CodeReader } from './code-reader.js';
import { SiliconIndex } from './queues.js';
import { askDevices } from './snapshot.js';

interface RingRequest {
  readonly device: number;
  readonly queue: number;
  /** 0: of the only context that uses the queue. */
  readonly asid: number;
  readonly from: number;
  readonly to: number;
}

/** Entries that are done and shown before those that are not. */
const SHOWN_DONE = 4;
/** Entries of one answer, and its packets in all. */
const MAX_ENTRIES = 256;
const MAX_PACKETS = 4096;

/** Errors: ENXIO, EINVAL for a queue that is none, that several contexts use, or slots that are none; ENOENT. */
export async function inspectRing(machine: Machine, request: RingRequest): Promise<RingSnapshot> {
  const device = machine.devices[request.device];
  if (device === undefined) {
    throw errno('ENXIO', `there is no device ${request.device}; this machine has ${machine.devices.length}`);
  }
  const info = QUEUES[request.queue];
  if (info === undefined || info.kind === 'cpu') {
    throw errno('EINVAL', `queue ${request.queue} has no ring; queues are 0 to ${QUEUE_COUNT - 1}, but for the CPU's`);
  }
  checkSlots(request, info);
  // Who asks for what is not there hears of it before the device is asked.
  findQueue(device, request);
  const answers = await askDevices(machine, [device]);
  device.drainInterrupts();
  const { context, queue } = findQueue(device, request);
  const stream = new SiliconIndex(answers.get(device.index)).stream(context.asid, queue.queue, false);
  const { indices, next } = shownEntries(queue, request);
  const code = new CodeReader(machine, context);
  const noted = indices.map((index) => noteEntry(queue, { index, code, stream }));
  const snapshot: RingSnapshot = {
    schema: 'pedrera.ring/1',
    device: device.index,
    queue: queue.queue,
    name: queueName(queue.queue),
    kind: info.kind,
    asid: context.asid,
    pid: context.pid,
    length: queue.length,
    pi: queue.pi,
    ci: queue.ci,
    fetched: queue.fetched,
    entries: [],
    next,
  };
  let room = MAX_PACKETS;
  for (const finish of noted) {
    const entry = await finish(room);
    room -= entry.packets.length;
    // Before the first one there is nothing; who asks for slots sees that.
    if (entry.state !== 'empty' || request.to !== 0) {
      snapshot.entries.push(entry);
    }
  }
  return snapshot;
}

function checkSlots({ from, to }: RingRequest, { name, length }: QueueInfo): void {
  if ((from !== 0 || to !== 0) && (from >= to || to > length)) {
    throw errno('EINVAL', `slots ${from} up to ${to} of ${name}; its ring has 0 up to ${length}`);
  }
}

function findQueue(device: HlDevice, { asid, queue: id }: RingRequest): { context: Context; queue: ContextQueue } {
  const users: { context: Context; queue: ContextQueue }[] = [];
  for (const context of device.contexts) {
    const queue = context.queues[id];
    if (queue !== undefined && (asid === 0 || asid === context.asid)) {
      users.push({ context, queue });
    }
  }
  const [only, ...others] = users;
  const where = `${queueName(id)} of hl${device.index}`;
  if (only === undefined) {
    throw errno('ENOENT', asid === 0 ? `no context uses ${where}` : `no context with ASID ${asid} uses ${where}`);
  }
  if (others.length > 0) {
    const asids = users.slice(0, 8).map(({ context }) => context.asid);
    throw errno(
      'EINVAL',
      `${users.length} contexts use ${where} (ASIDs ${asids.join(', ')}${others.length > 7 ? ' ...' : ''}); say which`,
    );
  }
  return only;
}

/** Ring indices; the newest that a slot had. Without a range: what is not done, and a few before it. */
function shownEntries(queue: ContextQueue, { from, to }: RingRequest): { indices: number[]; next: number | null } {
  const { pi, length, fetched } = queue;
  const indices: number[] = [];
  if (from === 0 && to === 0) {
    const oldest = queue.oldestJob()?.index ?? fetched;
    const open = Math.max(ringDistance(oldest, pi, length), ringDistance(fetched, pi, length));
    const all = Math.min(length, open + SHOWN_DONE);
    const count = Math.min(all, MAX_ENTRIES);
    for (let i = 0; i < count; i++) {
      indices.push(ringAdvance(pi, length, i - all));
    }
    return { indices, next: all > count ? ringSlot(ringAdvance(pi, length, count - all), length) : null };
  }
  const newest = ringSlot(pi, length);
  const end = Math.min(to, from + MAX_ENTRIES);
  for (let slot = from; slot < end; slot++) {
    // The slots before the producer's were written in this round, the others in the one before.
    indices.push(ringAdvance(pi, length, slot < newest ? slot - newest : slot - newest - length));
  }
  return { indices, next: end < to ? end : null };
}

interface EntryView {
  readonly index: number;
  readonly code: CodeReader;
  readonly stream: StreamSnapshot | undefined;
}

/** All that can change is noted now; the answer comes later where the device has to be asked for the packets. */
function noteEntry(queue: ContextQueue, view: EntryView): (room: number) => RingEntry | Promise<RingEntry> {
  const { index, code } = view;
  const { length } = queue;
  const slot = ringSlot(index, length);
  const { address, bytes } = queue.entryAt(slot);
  const job = queue.jobs[slot];
  const live = job?.index === index ? job : undefined;
  const entry: RingEntry = {
    slot,
    index: bytes === 0 ? null : index,
    state: bytes === 0 ? 'empty' : queue.progressAt(index),
    seq: live?.submission.seq ?? null,
    bytes,
    address,
    packets: [],
    unread: null,
  };
  if (live === undefined) {
    // Its command buffer was given back, and may be another's by now.
    return () => ({ ...entry, unread: bytes === 0 ? null : 'it is over, and its command buffer is given back' });
  }
  const read = code.job(live);
  if ('unread' in read) {
    return () => ({ ...entry, unread: read.unread });
  }
  const current = entry.state === 'running' ? currentOffset(view.stream) : -1;
  if ('sramOffset' in read) {
    return (room) =>
      code.fromSram(read).then(
        (words) => ({ ...entry, ...packetsOf(words, current, room) }),
        () => ({ ...entry, unread: 'the device did not answer for its SRAM' }),
      );
  }
  const copy: Code = { ...read, words: read.words.slice(read.first, read.first + read.count), first: 0 };
  return (room) => ({ ...entry, ...packetsOf(copy, current, room) });
}

/** Where in its command buffer the stream stands, in bytes. */
function currentOffset(stream: StreamSnapshot | undefined): number {
  return stream?.head?.offset ?? -1;
}

function packetsOf(
  { words, first, count, cut }: Code,
  current: number,
  room: number,
): Pick<RingEntry, 'packets' | 'unread'> {
  const packets: RingPacket[] = [];
  const end = first + count;
  for (let at = first; at < end; ) {
    if (packets.length >= room) {
      return { packets, unread: 'an answer has no room for more packets' };
    }
    const packet = decodePacket(words, at, end);
    const offset = (at - first) * 4;
    if (packet === undefined) {
      return { packets, unread: `what lies at byte ${offset} is no packet` };
    }
    packets.push({ offset, name: packet.name, text: formatPacket(packet), current: offset === current });
    at += packet.words;
  }
  return { packets, unread: cut };
}
