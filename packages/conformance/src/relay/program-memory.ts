/**
 * Memory of a C program, mapped into the test as well.
 *
 * Owns: how the memfd behind an address of another process is found. Must not know what lies in it.
 */
import { closeSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { type MappedView, SharedMemory } from '@pedrera/wire';

interface Place {
  readonly inode: number;
  /** In the memfd. */
  readonly offset: number;
}

/** `[address, address + length)` of the process. The memory has a descriptor there: the library keeps those of what it maps. */
export function viewOf(pid: number, address: bigint, length: number): MappedView {
  const { inode, offset } = placeOf(pid, address);
  const fd = openSync(`/proc/${pid}/fd/${descriptorOf(pid, inode)}`, 'r+');
  let memory: SharedMemory;
  try {
    memory = SharedMemory.fromFd(fd, offset + length);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  try {
    return memory.map(offset, length);
  } finally {
    memory.close();
  }
}

/** Lines of /proc/<pid>/maps: `from-to rwxp offset major:minor inode name`. */
function placeOf(pid: number, address: bigint): Place {
  for (const line of readFileSync(`/proc/${pid}/maps`, 'latin1').split('\n')) {
    const [, from = '', to = '', offset = '', inode = ''] =
      /^([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) \S+ (\d+)/.exec(line) ?? [];
    if (from !== '' && BigInt(`0x${from}`) <= address && address < BigInt(`0x${to}`)) {
      const inside = Number(address - BigInt(`0x${from}`));
      return { inode: Number(inode), offset: Number(`0x${offset}`) + inside };
    }
  }
  throw new Error(`the C program has nothing mapped at 0x${address.toString(16)}`);
}

function descriptorOf(pid: number, inode: number): string {
  const directory = `/proc/${pid}/fd`;
  for (const name of readdirSync(directory)) {
    try {
      if (statSync(`${directory}/${name}`).ino === inode) {
        return name;
      }
    } catch {
      // Closed meanwhile.
    }
  }
  throw new Error(`the C program has no descriptor of inode ${inode}`);
}
