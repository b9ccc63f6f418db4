/**
 * A tree of virtual files: directories, files, symbolic links, and how a path is walked.
 *
 * Owns: the shape of a node and path resolution. Nodes are made when they are walked to and read their values when they are
 * read, so that nothing here can be out of date. Must not know what any file says.
 */
import { errno } from '@pedrera/base';

/** Permission bits, as stat shows them. */
export type Mode = number;

export interface FileNode {
  readonly kind: 'file';
  readonly mode: Mode;
  /** What stat shows: 4096 for an attribute of sysfs, 0 for a file of debugfs, the length of a binary attribute. */
  readonly size: number;
  /**
   * What an open for reading or writing that the file does not offer fails with: sysfs looks at the mode whoever asks
   * (EACCES), debugfs lets root open anything and then misses the operation (EINVAL).
   */
  readonly refusal: 'EACCES' | 'EINVAL';
  /** Bytes from `offset` on, at most `size`; none at the end. */
  readonly read?: (offset: number, size: number) => Uint8Array | Promise<Uint8Array>;
  /** Returns how many bytes it took. */
  readonly write?: (bytes: Uint8Array, offset: number) => number | Promise<number>;
}

export interface LinkNode {
  readonly kind: 'link';
  readonly target: string;
}

export interface DirectoryNode {
  readonly kind: 'dir';
  readonly mode: Mode;
  names(): Iterable<string>;
  child(name: string): Node | undefined;
}

export type Node = FileNode | LinkNode | DirectoryNode;

export const LINK_MODE: Mode = 0o777;

/** A directory whose entries are known by name; each is made when it is asked for. */
export function directory(entries: Readonly<Record<string, () => Node>>, mode: Mode = 0o755): DirectoryNode {
  return {
    kind: 'dir',
    mode,
    names: () => Object.keys(entries),
    child: (name) => (Object.hasOwn(entries, name) ? entries[name]?.() : undefined),
  };
}

/** A directory with one entry for each of `items`, as they are at this moment. */
export function directoryOf<T>(
  items: () => Iterable<T>,
  name: (item: T) => string,
  node: (item: T) => Node,
): DirectoryNode {
  return {
    kind: 'dir',
    mode: 0o755,
    *names() {
      for (const item of items()) {
        yield name(item);
      }
    },
    child(wanted) {
      for (const item of items()) {
        if (name(item) === wanted) {
          return node(item);
        }
      }
      return undefined;
    },
  };
}

export function link(target: string): LinkNode {
  return { kind: 'link', target };
}

/**
 * The node a path names, from the root. Slashes may be doubled, '.' and '..' work, links on the way are followed; one at the
 * end only if `follow` says so, or a slash does.
 * Errors: ENOENT, ENOTDIR.
 */
export function lookup(root: DirectoryNode, path: string, follow: boolean): Node {
  if (path === '') {
    throw errno('ENOENT', 'an empty path names nothing');
  }
  const rest = path.split('/').reverse();
  /** Directories from below the root to where the walk is. */
  const above: DirectoryNode[] = [];
  let here: Node = root;
  while (rest.length > 0) {
    const name = rest.pop() as string;
    if (here.kind !== 'dir') {
      throw errno('ENOTDIR', `${path}: there is nothing below a file`);
    }
    if (name === '' || name === '.') {
      continue;
    }
    if (name === '..') {
      here = above.pop() ?? root;
      continue;
    }
    const next: Node = childOf(here, name, path);
    if (next.kind !== 'link') {
      above.push(here);
      here = next;
    } else if (rest.length === 0 && !follow) {
      return next;
    } else {
      // No link of these trees leads to itself, so this ends.
      rest.push(...next.target.split('/').reverse());
      if (next.target.startsWith('/')) {
        above.length = 0;
        here = root;
      }
    }
  }
  return here;
}

function childOf(here: DirectoryNode, name: string, path: string): Node {
  const next = here.child(name);
  if (next === undefined) {
    throw errno('ENOENT', `${path}: there is no ${name} here`);
  }
  return next;
}
