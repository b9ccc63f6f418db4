/**
 * A buffer that several devices and processes use, as an object with a life of its own (uapi.md 6.2).
 *
 * Owns: who holds it and why, its reservation, its name and size, the CPU's access to it.
 * References: each is a Hold, so that who keeps it can be seen: descriptors, tokens' redeemers, descriptors handed to the operating
 * system, attachments, mappings of processors, armed polls. It holds its exporter, which holds memory and context.
 * Must not know importers beyond their attachments, or how it is named.
 */
import { errno, type LeakTracker, RefCounted } from '@pedrera/base';
import { MAX_BUFFER_NAME, PAGE_SIZE, SEEK_WHENCE } from '@pedrera/uapi';
import type { Birth } from '../caller.js';
import { cpuAccessUsage, DMA_BUF_SYNC } from '../fence/dma-buf-sync.js';
import type { FenceDomain } from '../fence/fence-domain.js';
import type { FenceWait } from '../fence/fence-wait.js';
import { Reservation } from '../fence/reservation.js';
import { ReservationPoll } from '../fence/reservation-poll.js';
import { Attachment, type MappedAt } from './attachment.js';
import {
  checkExporter,
  type DmaBufExporter,
  type HostWindow,
  type ImporterDevice,
  type ImporterOps,
} from './exporter.js';

export type HoldKind = 'descriptor' | 'handed-out' | 'attachment' | 'mapping' | 'poll';

/** One reference, with a name. */
export interface Hold {
  readonly kind: HoldKind;
  /** 0: nobody in particular. */
  readonly pid: number;
  /** Once. */
  release(): void;
}

/** Who is to be told that an object is gone. */
export interface DmaBufOwner {
  forget(object: DmaBuf): void;
}

/** Somebody whose attachment ended. */
export interface PastImporter {
  readonly pid: number;
  readonly device: number | undefined;
  readonly asid: number;
  readonly endedNs: number;
}

const PAST_IMPORTERS = 16;

export interface DmaBufOptions {
  readonly id: number;
  readonly exporter: DmaBufExporter;
  readonly fences: FenceDomain;
  readonly tracker: LeakTracker;
  readonly bornNs: number;
  readonly owner: DmaBufOwner;
}

export class DmaBuf extends RefCounted {
  readonly id: number;
  readonly exporter: DmaBufExporter;
  readonly reservation: Reservation;
  readonly bornNs: number;
  /** The call that gave out its first descriptor. */
  birth: Birth | undefined;
  /** Of its first descriptor; in the kernel all are of one file. */
  fileFlags = 0;
  readonly attachments = new Set<Attachment>();
  /** Who was attached, the last few, so that a wait for somebody who is gone can be explained. */
  readonly pastImporters: PastImporter[] = [];
  /** Where contexts have it mapped. */
  readonly importers = new Set<MappedAt>();
  readonly holds = new Set<Hold>();
  readonly #owner: DmaBufOwner;
  #poll: ReservationPoll | undefined;
  #name = '';

  /** Born with one reference, the caller's, to be given up when a descriptor holds it. Errors: EINVAL. */
  constructor({ id, exporter, fences, tracker, bornNs, owner }: DmaBufOptions) {
    checkExporter(exporter);
    super('dma-buf', tracker);
    this.id = id;
    this.exporter = exporter;
    this.reservation = new Reservation(fences);
    this.bornNs = bornNs;
    this.#owner = owner;
  }

  get size(): number {
    return this.exporter.size;
  }

  get name(): string {
    return this.#name;
  }
  /** Errors: EINVAL beyond 31 bytes. */
  set name(name: string) {
    if (Buffer.byteLength(name) > MAX_BUFFER_NAME) {
      throw errno('EINVAL', `a dma-buf's name has at most ${MAX_BUFFER_NAME} bytes, not ${Buffer.byteLength(name)}`);
    }
    this.#name = name;
  }

  /** True while the file that exported it is open. */
  get exporterAlive(): boolean {
    return this.exporter.context.lost === undefined;
  }

  /** Its attachment ended. */
  notePastImporter({ pid, device, asid }: ImporterDevice): void {
    this.pastImporters.push({ pid, device, asid, endedNs: this.reservation.domain.clock.nowNs() });
    if (this.pastImporters.length > PAST_IMPORTERS) {
      this.pastImporters.shift();
    }
  }

  hold(kind: HoldKind, pid: number): Hold {
    this.get();
    let released = false;
    const hold: Hold = {
      kind,
      pid,
      release: () => {
        if (released) {
          throw new Error(`a hold (${kind}) on dma-buf ${this.id} was released twice`);
        }
        released = true;
        this.holds.delete(hold);
        this.put();
      },
    };
    this.holds.add(hold);
    return hold;
  }

  /** Errors: the exporter's veto; for a dynamic importer all that a map would say. */
  attach(importer: ImporterDevice, ops?: ImporterOps): Attachment {
    return new Attachment(this, importer, ops);
  }

  /** SYNC: undefined when there is nothing to wait for. Errors: EINVAL. */
  cpuAccess(flags: number): FenceWait | undefined {
    const usage = cpuAccessUsage(flags);
    const write = (flags & DMA_BUF_SYNC.WRITE) !== 0;
    if (usage === undefined) {
      this.exporter.endCpuAccess?.(write);
      return undefined;
    }
    // The exporter first, and only then the wait.
    this.exporter.beginCpuAccess?.(write);
    return this.reservation.testSignalled(usage) ? undefined : this.reservation.wait(usage, Number.POSITIVE_INFINITY);
  }

  /** What a processor may map. Errors: EINVAL where the exporter has no such thing, for a range that is none. */
  mmap(offset: number, length: number): HostWindow {
    const window = this.exporter.mmap?.();
    if (window === undefined) {
      throw errno('EINVAL', `dma-buf ${this.id} is ${describe(this.exporter.kind)}, which no processor can map`);
    }
    const end = Math.ceil(this.size / PAGE_SIZE) * PAGE_SIZE;
    if (offset % PAGE_SIZE !== 0 || length < 1 || offset + length > end) {
      throw errno(
        'EINVAL',
        `[${offset}, +${length}) is no range of whole pages of dma-buf ${this.id}, which has ${this.size} bytes`,
      );
    }
    return { segment: window.segment, offset: window.offset + offset };
  }

  /** Errors: EINVAL for anything but the two ends. */
  seek(offset: number, whence: number): number {
    if (offset !== 0 || (whence !== SEEK_WHENCE.SET && whence !== SEEK_WHENCE.END)) {
      throw errno('EINVAL', `offset ${offset} from ${whence}; a dma-buf can be asked for its two ends only`);
    }
    return whence === SEEK_WHENCE.END ? this.size : 0;
  }

  get poll(): ReservationPoll {
    if (this.#poll === undefined) {
      const armed: Hold[] = [];
      const file = { get: () => armed.push(this.hold('poll', 0)), put: () => armed.pop()?.release() };
      this.#poll = new ReservationPoll(this.reservation, file);
    }
    return this.#poll;
  }

  protected override release(): void {
    if (this.attachments.size > 0) {
      this.reservation.domain.warn(`dma-buf ${this.id} was released with ${this.attachments.size} attachments`);
    }
    this.#owner.forget(this);
    this.exporter.release();
    this.reservation.destroy();
  }
}

function describe(kind: DmaBufExporter['kind']): string {
  switch (kind) {
    case 'memory':
      return 'memory of a device';
    case 'sync-objects':
      return 'made of sync objects';
    case 'host':
      return 'a part of a host buffer';
  }
}
