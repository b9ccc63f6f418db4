/** sysfs and debugfs as files of the daemon (uapi.md 9). */
import { type Handlers, MAX_FILE_BYTES } from '@pedrera/uapi';
import type { Machine } from '../../core/machine.js';
import { VirtualFiles } from '../../vfs/virtual-files.js';
import type { Session } from '../session.js';

type FileCalls = Pick<Handlers<Session>, Extract<keyof Handlers<Session>, `FILE_${string}`>>;

/** One tree a machine, made when somebody first looks. */
const trees = new WeakMap<Machine, VirtualFiles>();

function filesOf({ machine }: Session): VirtualFiles {
  let tree = trees.get(machine);
  if (tree === undefined) {
    tree = new VirtualFiles(machine);
    trees.set(machine, tree);
  }
  return tree;
}

export const FILE_HANDLERS: FileCalls = {
  FILE_STAT(session, { path }) {
    return filesOf(session).stat(path);
  },

  FILE_LIST(session, { path }) {
    return { entries: filesOf(session).list(path) };
  },

  async FILE_READ(session, { path, offset, size }) {
    return { bytes: await filesOf(session).read(path, offset, Math.min(size, MAX_FILE_BYTES)) };
  },

  async FILE_WRITE(session, { path, offset, bytes }) {
    return { written: await filesOf(session).write(path, offset, bytes) };
  },
};
