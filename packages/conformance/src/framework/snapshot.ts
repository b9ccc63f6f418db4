/**
 * What can be seen of a kernel from outside, to be compared before and after a call that fails.
 *
 * Owns: which observations count as state, and which a failure may change (drop counters, sequence numbers).
 */
import type { IoctlName, Req } from '@pedrera/uapi';
import type { Client } from './client.js';

export type DropCounter = 'outOfMem' | 'parsing' | 'queueFull' | 'deviceInReset' | 'maxCsInFlight' | 'validation';

/** What a failed call changes all the same. */
export interface Effect {
  /** The drop counter it bumps, the context's and the device's (uapi.md 4.17). */
  readonly counter?: DropCounter;
  /** A submission's sequence number, which some failures take (uapi.md 4.6); 'unchecked' where no other work can run. */
  readonly seq?: 'consumed' | 'kept' | 'unchecked';
  /** Observations that are expected to move, by the beginning of their name. */
  readonly except?: readonly string[];
}

export type Snapshot = ReadonlyMap<string, string>;

const IN_DEVICE = [
  'INFO_CS_COUNTERS',
  'INFO_DRAM_USAGE',
  'INFO_RESET_COUNT',
  'INFO_DEVICE_STATUS',
  'INFO_HW_IDLE',
] as const;

export async function snapshot(client: Client): Promise<Snapshot> {
  const seen = new Map<string, string>();
  const note = (path: string, value: unknown): void => {
    if (typeof value === 'object' && value !== null) {
      for (const [key, inner] of Object.entries(value)) {
        note(`${path}.${key}`, inner);
      }
    } else {
      seen.set(path, String(value));
    }
  };
  if (client.node !== '') {
    for (const name of IN_DEVICE) {
      const { errno, res } = await client.attempt(name, {} as Req<IoctlName>);
      note(name, errno === '' ? res : errno);
    }
  }
  if (client.isPrimary) {
    note('next handle', await nextHandle(client));
  }
  const watcher = await client.env.watcher();
  const { snapshot: daemon } = await watcher.call('INSPECT_DAEMON', {});
  note('objects', daemon.objects);
  const { snapshot: clients } = await watcher.call('INSPECT_CLIENTS', {});
  for (const { node, asid, memory, handles, inFlight } of clients.clients) {
    note(`client ${node} ${asid}`, { memory, handles, inFlight });
  }
  const { snapshot: buffers } = await watcher.call('INSPECT_BUFFERS', {});
  const { attachments, references, pendingFences, tokens } = buffers.totals;
  note('dma-bufs', { count: buffers.totals.buffers, attachments, references, pendingFences, tokens });
  return seen;
}

/** Ids are the lowest free ones (uapi.md 2.9): whatever leaks an id shows here. */
async function nextHandle(client: Client): Promise<string> {
  const { errno, res } = await client.attempt('CB_CREATE', { size: 4096, flags: 0 });
  if (res === undefined) {
    return errno;
  }
  await client.attempt('CB_DESTROY', res);
  return res.handle.toString(16);
}

/** One line each; empty when nothing moved but what may. */
export function differences(before: Snapshot, after: Snapshot, { counter, except = [] }: Effect): string[] {
  const expected = new Map(before);
  if (counter !== undefined) {
    const name = `${counter[0]?.toUpperCase()}${counter.slice(1)}DropCnt`;
    for (const whose of ['total', 'ctx']) {
      const path = `INFO_CS_COUNTERS.${whose}${name}`;
      expected.set(path, String(Number(before.get(path)) + 1));
    }
  }
  const lines: string[] = [];
  for (const path of new Set([...expected.keys(), ...after.keys()])) {
    const want = expected.get(path);
    const got = after.get(path);
    if (want !== got && !except.some((start) => path.startsWith(start))) {
      lines.push(`${path}: expected ${want}, found ${got}`);
    }
  }
  return lines;
}
