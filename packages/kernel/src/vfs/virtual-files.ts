/**
 * sysfs and debugfs of a machine: what stat, readdir, read and write on them answer (uapi.md 9).
 *
 * Owns: the errors that belong to files in general, and what each device keeps for its files alone. Must not know who asks.
 */
import { errno } from '@pedrera/base';
import type { HlDevice } from '../core/device.js';
import type { Machine } from '../core/machine.js';
import { DebugState } from './debugfs-state.js';
import { DeviceAccess } from './device-access.js';
import { SensorOffsets } from './hwmon.js';
import { type DeviceState, rootDirectory } from './paths.js';
import { type DirectoryNode, type FileNode, LINK_MODE, lookup, type Mode, type Node } from './tree.js';

interface FileStatus {
  readonly kind: Node['kind'];
  readonly mode: Mode;
  readonly size: number;
  /** Where a link leads. */
  readonly target?: string;
}

interface DirectoryEntry {
  readonly name: string;
  readonly kind: Node['kind'];
  readonly mode: Mode;
}

export class VirtualFiles {
  readonly #root: DirectoryNode;
  readonly #states = new Map<HlDevice, DeviceState>();

  constructor(machine: Machine) {
    this.#root = rootDirectory(machine, (device) => this.#stateOf(machine, device));
  }

  /** Of the path itself: a link is not followed unless the path ends with a slash. Errors: ENOENT, ENOTDIR. */
  stat(path: string): FileStatus {
    const node = lookup(this.#root, path, false);
    switch (node.kind) {
      case 'link':
        return { kind: 'link', mode: LINK_MODE, size: node.target.length, target: node.target };
      case 'dir':
        return { kind: 'dir', mode: node.mode, size: 0 };
      case 'file':
        return { kind: 'file', mode: node.mode, size: node.size };
    }
  }

  /** By name. Errors: ENOENT, ENOTDIR. */
  list(path: string): DirectoryEntry[] {
    const node = lookup(this.#root, path, true);
    if (node.kind !== 'dir') {
      throw errno('ENOTDIR', `${path} is a file`);
    }
    const entries: DirectoryEntry[] = [];
    for (const name of [...node.names()].sort()) {
      const child = node.child(name);
      if (child !== undefined) {
        entries.push({ name, kind: child.kind, mode: child.kind === 'link' ? LINK_MODE : child.mode });
      }
    }
    return entries;
  }

  /** pread(2). Errors: ENOENT, ENOTDIR, EISDIR, EACCES or EINVAL where nothing can be read, and the file's own. */
  async read(path: string, offset: number, size: number): Promise<Uint8Array> {
    const file = this.#file(path);
    if (file.read === undefined) {
      throw errno(file.refusal, `${path} cannot be read`);
    }
    return file.read(offset, size);
  }

  /** pwrite(2); how many bytes were taken. Errors: as read(). */
  async write(path: string, offset: number, bytes: Uint8Array): Promise<number> {
    const file = this.#file(path);
    if (file.write === undefined) {
      throw errno(file.refusal, `${path} cannot be written`);
    }
    return file.write(bytes, offset);
  }

  #file(path: string): FileNode {
    const node = lookup(this.#root, path, true);
    if (node.kind !== 'file') {
      throw errno('EISDIR', `${path} is a directory`);
    }
    return node;
  }

  #stateOf(machine: Machine, device: HlDevice): DeviceState {
    let state = this.#states.get(device);
    if (state === undefined) {
      state = {
        device,
        access: new DeviceAccess(machine, device),
        state: new DebugState(),
        offsets: new SensorOffsets(),
      };
      this.#states.set(device, state);
    }
    return state;
  }
}
