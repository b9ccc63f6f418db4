/**
 * SYNC: sync objects that are not zero, armed monitors with the meaning of what they write to, and who leases what.
 *
 * Owns: what an address that a context writes to means. Reads only.
 */
import {
  CFG_BASE,
  CFG_END,
  classifyBusAddress,
  dcoreOfOffset,
  FENCES_PER_STREAM,
  fenceOfOffset,
  queueName,
  SM_BLOCK_SIZE,
  SM_REGISTERS,
} from '@pedrera/hw';
import type { PayloadMeaning, Snapshot, SyncSection } from '@pedrera/uapi';
import type { Context } from '../context.js';
import type { HlDevice } from '../device.js';
import { type Chapter, concerns, inWords, type Moment, type Row } from './moment.js';
import { awaited, dcoreName } from './queues.js';

const OTHER: PayloadMeaning = { kind: 'other' };

/** Where a write of a context really goes: to registers of a device, or anywhere else. */
interface RegisterTarget {
  readonly device: number;
  /** From CFG_BASE. */
  readonly offset: number;
}

/** Through the context's mappings, where imported sync objects and peers lie. */
export function registerBehind(context: Context, address: number): RegisterTarget | undefined {
  if (address >= CFG_BASE && address < CFG_END) {
    return { device: context.device.index, offset: address - CFG_BASE };
  }
  const piece = context.addressSpace.translate(address, 4);
  const place = piece?.space === 'bus' ? classifyBusAddress(piece.address) : undefined;
  return place?.kind === 'peer-cfg' ? { device: place.device, offset: place.offset } : undefined;
}

/** What a register is to synchronisation. `asid`: of whoever writes, for fences are of the context. */
function meaningOf({ device, offset }: RegisterTarget, asid: number): PayloadMeaning {
  const dcore = dcoreOfOffset(offset);
  if (dcore >= 0) {
    const at = offset & (SM_BLOCK_SIZE - 1);
    if (at >= SM_REGISTERS.SOB && at < SM_REGISTERS.MON_PAY_ADDRL) {
      return { kind: 'sob', device, dcore: dcoreName(dcore), sob: (at - SM_REGISTERS.SOB) >> 2 };
    }
    if (at >= SM_REGISTERS.MON_PAY_ADDRL && at < SM_REGISTERS.END) {
      return { kind: 'monitor', device, dcore: dcoreName(dcore), monitor: (at & 0x7ff) >> 2 };
    }
  }
  const fence = fenceOfOffset(offset);
  return fence < 0
    ? OTHER
    : {
        kind: 'fence',
        asid,
        queue: queueName(Math.floor(fence / FENCES_PER_STREAM)),
        fence: fence % FENCES_PER_STREAM,
      };
}

function contextsByAsid({ contexts }: HlDevice): ReadonlyMap<number, Context> {
  return new Map([...contexts].map((context) => [context.asid, context]));
}

type SyncRow =
  | { readonly device: number }
  | { readonly device: number; readonly object: SyncSection['objects'][number] }
  | { readonly device: number; readonly monitor: SyncSection['monitors'][number] }
  | { readonly device: number; readonly lease: SyncSection['leases'][number] };

export function syncChapter(moment: Moment): Chapter {
  const rows = moment.devices.flatMap((device) => syncRows(device, moment));
  const open = (page: Snapshot) => {
    page.sync ??= [];
    return page.sync;
  };
  return {
    rows: inWords<SyncRow>(rows),
    open,
    put(page, row: SyncRow) {
      const sections = open(page);
      let own = sections.at(-1);
      if (own?.device !== row.device) {
        own = { device: row.device, objects: [], monitors: [], leases: [] };
        sections.push(own);
      }
      if ('object' in row) {
        own.objects.push(row.object);
      } else if ('monitor' in row) {
        own.monitors.push(row.monitor);
      } else if ('lease' in row) {
        own.leases.push(row.lease);
      }
    },
  };
}

function syncRows(device: HlDevice, moment: Moment): Row<SyncRow>[] {
  const { index } = device;
  const rows: Row<SyncRow>[] = [() => ({ device: index })];
  const contexts = contextsByAsid(device);
  const shown = (asid: number) => moment.pid === 0 || contexts.get(asid)?.pid === moment.pid;
  const snapshot = moment.silicon.get(index);
  for (const { dcore, sob, value, asid } of snapshot?.syncObjects ?? []) {
    if (shown(asid)) {
      const pid = contexts.get(asid)?.pid ?? null;
      rows.push(() => ({ device: index, object: { dcore: dcoreName(dcore), sob, value, asid, pid } }));
    }
  }
  for (const armed of snapshot?.monitors ?? []) {
    const { asid, payloadAddress: address, payloadData: data } = armed;
    if (shown(asid)) {
      const context = contexts.get(asid);
      const behind = context === undefined ? undefined : registerBehind(context, address);
      const meaning = behind === undefined ? OTHER : meaningOf(behind, asid);
      const pid = context?.pid ?? null;
      rows.push(() => ({
        device: index,
        monitor: { ...awaited(armed), asid, pid, payload: { address, data, meaning } },
      }));
    }
  }
  for (const context of contexts.values()) {
    const { asid, pid } = context;
    if (concerns(moment, pid)) {
      for (const lease of heldLeases(context)) {
        const { dcore, ...range } = lease;
        rows.push(() => ({ device: index, lease: { dcore: dcoreName(dcore), asid, pid, ...range } }));
      }
    }
  }
  return rows;
}

type LeaseRange = Omit<SyncSection['leases'][number], 'asid' | 'pid' | 'dcore'> & { readonly dcore: number };

/** Its own, and those the driver's packets use for it. */
export function heldLeases(context: Context): LeaseRange[] {
  const leases: LeaseRange[] = [];
  const own = [0, 1, 2, 3].map((dcore) => context.leases.held(dcore));
  for (const lease of [...own, ...context.leases.ofDriver]) {
    if (lease !== undefined) {
      const { dcore, firstSob, sobs, firstMonitor, monitors } = lease;
      leases.push({ dcore, firstSob, sobs, firstMonitor, monitors });
    }
  }
  return leases;
}
