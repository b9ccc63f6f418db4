/**
 * PRODUCERS: for every fence and sync object that a stream is blocked on, who could still write it: packets that are queued
 * and not executed, armed monitors, and those who have the right to.
 *
 * Owns: which objects are asked about (of a blocked stream its fence, the objects its monitors wait for, and so on through
 * monitors that write objects), and where producers are looked for. Reads only, and no more than a bound.
 */
import {
  type ArmedMonitor,
  CFG_BASE,
  type DeviceSnapshot,
  dcoreOfOffset,
  queueName,
  SM_BLOCK_SIZE,
  SM_REGISTERS,
  SOBS_PER_DCORE,
  SOBS_PER_GROUP,
  sobAddress,
} from '@pedrera/hw';
import type { ProducersOfObject } from '@pedrera/uapi';
import type { Context } from '../context.js';
import type { HlDevice } from '../device.js';
import type { DmaBuf, PastImporter } from '../dma-buf/dma-buf.js';
import { openContexts } from './memory.js';
import type { Chapter, Moment } from './moment.js';
import { isSyncObject, PacketSearch, type Target, targetKey } from './packet-search.js';
import { dcoreName } from './queues.js';
import { heldLeases, registerBehind } from './sync.js';

/** Objects asked about in one look. */
const MOST_TARGETS = 1024;

/** What is asked about, and the jobs to be looked through, are noted at the moment; the looking is done page by page. */
export function producersChapter(moment: Moment): Chapter {
  const search = new Search(moment);
  search.note();
  return {
    rows: search.run(),
    open(page) {
      page.producers ??= [];
      page.producersLeft = search.left;
    },
    put(page, row: ProducersOfObject) {
      page.producers?.push(row);
    },
  };
}

interface Writer {
  readonly device: HlDevice;
  readonly armed: ArmedMonitor;
}

/** A stream that stands at a fence. */
interface BlockedStream {
  readonly offset: number;
  readonly fence: NonNullable<Target['fence']>;
}

class Search {
  readonly targets: Target[] = [];
  readonly #moment: Moment;
  readonly #byKey = new Map<number, Target>();
  readonly #packets: PacketSearch;
  /** Armed monitors by what they write. */
  readonly #writers = new Map<number, Writer[]>();
  readonly #contexts = new Map<HlDevice, ReadonlyMap<number, Context>>();
  readonly #leased = new Map<HlDevice, (Context | undefined)[]>();
  readonly #open = new Map<HlDevice, ReadonlySet<Context>>();
  /** Dma-bufs of sync objects, by device and sync object. */
  readonly #exports = new Map<HlDevice, DmaBuf[][]>();
  readonly #unasked = new Set<number>();
  #followed = 0;

  constructor(moment: Moment) {
    this.#moment = moment;
    this.#packets = new PacketSearch(moment, this.#byKey);
    for (const device of moment.machine.devices) {
      this.#contexts.set(device, new Map([...device.contexts].map((context) => [context.asid, context])));
    }
    for (const object of moment.machine.dmaBufs) {
      this.#noteExport(object);
    }
  }

  /** Objects that were come across and not asked about. */
  get left(): number {
    return this.#unasked.size;
  }

  note(): void {
    const { machine, silicon, about = 0 } = this.#moment;
    for (const device of machine.devices) {
      this.#noteMonitors(device, silicon.get(device.index));
    }
    const blocked = this.#blockedStreams();
    // Whoever may write what a process waits for, and waits itself, is a part of the answer: the set grows as it is gone through.
    const first = new Set([...blocked.keys()].filter(({ pid }) => about !== 0 && pid === about));
    for (const context of first) {
      const asked = this.targets.length;
      this.#askAbout(blocked.get(context) ?? []);
      for (const holder of this.targets.slice(asked).flatMap(({ answer }) => this.#holdersOf(answer))) {
        first.add(holder);
      }
    }
    for (const streams of blocked.values()) {
      this.#askAbout(streams);
    }
    this.#packets.note();
  }

  /** Every answer, once all of them are complete; nothing now and then before that. */
  *run(): IterableIterator<ProducersOfObject | undefined> {
    yield* this.#packets.run() as IterableIterator<undefined>;
    for (const { answer } of this.targets) {
      yield answer;
    }
  }

  /** Of the devices and the process asked for. */
  #blockedStreams(): ReadonlyMap<Context, BlockedStream[]> {
    const { devices, silicon, pid } = this.#moment;
    const blocked = new Map<Context, BlockedStream[]>();
    for (const device of devices) {
      for (const { asid, queue, fence } of silicon.get(device.index)?.streams ?? []) {
        const context = this.#contexts.get(device)?.get(asid);
        if (fence !== null && context !== undefined && (pid === 0 || pid === context.pid)) {
          const stream = { offset: fence.rdataAddress - CFG_BASE, fence: { context, queue, id: fence.id } };
          const others = blocked.get(context);
          if (others === undefined) {
            blocked.set(context, [stream]);
          } else {
            others.push(stream);
          }
        }
      }
    }
    return blocked;
  }

  /** Each stream's fence and all behind it before the next: whole answers to some are worth more than halves to all. */
  #askAbout(streams: readonly BlockedStream[]): void {
    for (const { offset, fence } of streams) {
      this.#add(fence.context.device, offset, fence);
      // What a monitor waits for may be written by another monitor, which waits in its turn.
      for (; this.#followed < this.targets.length; this.#followed++) {
        const target = this.targets[this.#followed] as Target;
        this.#follow(target);
        this.#addHolders(target);
      }
    }
  }

  #holdersOf({ holders }: ProducersOfObject): Context[] {
    const { devices } = this.#moment.machine;
    return holders.flatMap(({ device, asid }) => this.#contexts.get(devices[device] as HlDevice)?.get(asid) ?? []);
  }

  #noteExport(object: DmaBuf): void {
    const { syncRange, context } = object.exporter;
    if (syncRange === undefined) {
      return;
    }
    const { dcore, firstSyncObject, count } = syncRange;
    const of = this.#exports.get(context.device) ?? [];
    this.#exports.set(context.device, of);
    for (let sob = firstSyncObject; sob < firstSyncObject + count; sob++) {
      const at = dcore * SOBS_PER_DCORE + sob;
      const others = of[at];
      if (others === undefined) {
        of[at] = [object];
      } else {
        others.push(object);
      }
    }
  }

  #noteMonitors(device: HlDevice, snapshot: DeviceSnapshot | undefined): void {
    for (const armed of snapshot?.monitors ?? []) {
      const context = this.#contexts.get(device)?.get(armed.asid);
      const behind = context === undefined ? undefined : registerBehind(context, armed.payloadAddress);
      if (behind !== undefined) {
        const key = targetKey(behind.device, behind.offset, isSyncObject(behind.offset) ? 0 : armed.asid);
        const others = this.#writers.get(key);
        if (others === undefined) {
          this.#writers.set(key, [{ device, armed }]);
        } else {
          others.push({ device, armed });
        }
      }
    }
  }

  #add(device: HlDevice, offset: number, fence: Target['fence']): void {
    const key = targetKey(device.index, offset, fence?.context.asid);
    if (this.#byKey.has(key)) {
      return;
    }
    if (this.targets.length === MOST_TARGETS) {
      this.#unasked.add(key);
      return;
    }
    const answer: ProducersOfObject = {
      device: device.index,
      target: fence === undefined ? sobTarget(offset) : fenceTarget(fence),
      packets: [],
      monitors: [],
      holders: [],
      unread: [],
      cut: false,
    };
    const target: Target = { device, offset, fence, answer };
    this.#byKey.set(key, target);
    this.targets.push(target);
  }

  /** The monitors that would write it, and the objects those wait for. */
  #follow({ device, offset, fence, answer }: Target): void {
    for (const { device: where, armed } of this.#writers.get(targetKey(device.index, offset, fence?.context.asid)) ??
      []) {
      const { dcore, monitor, asid, group, pending } = armed;
      answer.monitors.push({ dcore: dcoreName(dcore), monitor, asid, device: where.index });
      for (const { sob } of armed.objects) {
        if ((pending & (1 << (sob - group * SOBS_PER_GROUP))) !== 0) {
          this.#add(where, sobAddress(dcore, sob) - CFG_BASE, undefined);
        }
      }
    }
  }

  #addHolders({ device, offset, fence, answer }: Target): void {
    if (fence !== undefined) {
      this.#holder(answer, fence.context, 'owner');
      return;
    }
    const dcore = dcoreOfOffset(offset);
    const sob = sobOf(offset);
    const owner = this.#owners(device)[dcore * SOBS_PER_DCORE + sob];
    if (owner !== undefined) {
      this.#holder(answer, owner, 'owner');
    }
    for (const { attachments, pastImporters } of this.#exports.get(device)?.[dcore * SOBS_PER_DCORE + sob] ?? []) {
      for (const { importer } of attachments) {
        const its = this.#moment.machine.devices[importer.device ?? -1];
        const context = its === undefined ? undefined : this.#contexts.get(its)?.get(importer.asid);
        if (context !== undefined) {
          this.#holder(answer, context, 'importer');
        }
      }
      this.#addPast(answer, pastImporters);
    }
  }

  /** Importers that are gone: nobody will hear from them again. */
  #addPast(answer: ProducersOfObject, past: readonly PastImporter[]): void {
    const { books, nowNs } = this.#moment;
    for (const { pid, device, asid, endedNs } of past) {
      if (
        device !== undefined &&
        books.clients(pid).length === 0 &&
        !answer.holders.some((other) => other.pid === pid)
      ) {
        const endedMs = Math.round((nowNs - endedNs) / 1e6);
        answer.holders.push({
          pid,
          program: books.programOf(pid),
          device,
          asid,
          role: 'importer',
          alive: false,
          endedMs,
        });
      }
    }
  }

  /** Who leases each sync object of a device. */
  #owners(device: HlDevice): readonly (Context | undefined)[] {
    let owners = this.#leased.get(device);
    if (owners === undefined) {
      owners = [];
      for (const context of device.contexts) {
        for (const { dcore, firstSob, sobs } of heldLeases(context)) {
          for (let sob = firstSob; sob < firstSob + sobs; sob++) {
            owners[dcore * SOBS_PER_DCORE + sob] = context;
          }
        }
      }
      this.#leased.set(device, owners);
    }
    return owners;
  }

  #isOpen(context: Context): boolean {
    let open = this.#open.get(context.device);
    if (open === undefined) {
      open = openContexts(context.device);
      this.#open.set(context.device, open);
    }
    return open.has(context);
  }

  #holder(answer: ProducersOfObject, context: Context, role: 'owner' | 'importer'): void {
    const { pid, asid, device } = context;
    const index = device.index;
    if (!answer.holders.some((other) => other.device === index && other.asid === asid && other.role === role)) {
      const program = this.#moment.books.programOf(pid);
      answer.holders.push({ pid, program, device: index, asid, role, alive: this.#isOpen(context) });
    }
  }
}

function sobOf(offset: number): number {
  return ((offset & (SM_BLOCK_SIZE - 1)) - SM_REGISTERS.SOB) >> 2;
}

function sobTarget(offset: number): ProducersOfObject['target'] {
  return { kind: 'sob', dcore: dcoreName(dcoreOfOffset(offset)), sob: sobOf(offset) };
}

function fenceTarget({ context, queue, id }: NonNullable<Target['fence']>): ProducersOfObject['target'] {
  return { kind: 'fence', asid: context.asid, queue: queueName(queue), fence: id };
}
