/**
 * Buffers with who shares them, the most shared first.
 *
 * Owns: their rows. Pure. Must not know: the picture.
 */
import type { BufferState, Snapshot } from '@pedrera/uapi';
import type { LiveBuffer, ViewRequest } from '@pedrera/web';

/** What a picture has room for. */
const USERS = 6;

export function bufferRows(
  { buffers = [] }: Snapshot,
  { device: only, filter }: ViewRequest,
  programs: ReadonlyMap<number, string>,
): LiveBuffer[] {
  const wanted = filter.toLowerCase();
  return buffers
    .map((buffer) => rowOf(buffer, programs))
    .filter(({ name, exporter, users }) => {
      const names = [name, ...[exporter, ...users].map(({ pid, program }) => `${pid} ${program}`)].join(' ');
      const here = only === null || exporter.device === only || users.some(({ device }) => device === only);
      return here && names.toLowerCase().includes(wanted);
    })
    .sort((a, b) => b.users.length + b.moreUsers - (a.users.length + a.moreUsers) || a.id - b.id);
}

function rowOf(buffer: BufferState, programs: ReadonlyMap<number, string>): LiveBuffer {
  const { id, name, kind, size, exporter, fences } = buffer;
  const users = usersOf(buffer, programs);
  const states = new Map<LiveBuffer['fences'][number]['state'], number>();
  for (const { state } of fences) states.set(state, (states.get(state) ?? 0) + 1);
  return {
    id,
    name,
    kind,
    size,
    exporter: {
      pid: exporter.pid,
      program: programs.get(exporter.pid) ?? '',
      device: exporter.device,
      alive: exporter.alive,
    },
    users: users.slice(0, USERS),
    moreUsers: Math.max(0, users.length - USERS),
    fences: [...states].map(([state, count]) => ({ state, count })),
  };
}

/** Each once, with the most it does: maps it, is attached, or only holds a descriptor. */
function usersOf(
  { exporter, importers, attachments, references }: BufferState,
  programs: ReadonlyMap<number, string>,
): LiveBuffer['users'] {
  const found = new Map<string, LiveBuffer['users'][number]>();
  const pids = new Set([exporter.pid, 0]);
  const add = (pid: number, device: number | null, how: LiveBuffer['users'][number]['how']) => {
    const key = `${pid} ${device}`;
    if (!found.has(key)) found.set(key, { pid, program: programs.get(pid) ?? '', device, how });
    pids.add(pid);
  };
  for (const { pid, device } of importers) add(pid, device, 'mapped');
  for (const { pid, device, mapped } of attachments) add(pid, device, mapped > 0 ? 'mapped' : 'attached');
  for (const { pid } of references) if (!pids.has(pid)) add(pid, null, 'holds');
  return [...found.values()];
}
