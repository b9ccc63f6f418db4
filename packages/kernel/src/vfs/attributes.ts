/**
 * The kinds of files that sysfs and debugfs are made of.
 *
 * Owns: how a text becomes the answer to a read at an offset, and which mode and size each kind has. Must not know any
 * single file.
 */
import type { FileNode, Mode } from './tree.js';

const PAGE = 4096;
const NOTHING = new Uint8Array(0);

type Text = string | Promise<string>;
/** How many bytes a write took; undefined: all. */
type Taken = number | undefined;

export interface SysfsSpec {
  readonly mode: Mode;
  readonly show?: () => Text;
  readonly store?: (bytes: Uint8Array) => void | Promise<void>;
}

/** A text attribute of sysfs. A write of nothing does nothing and takes at most a page; its offset does not matter. */
export function sysfsFile({ mode, show, store }: SysfsSpec): FileNode {
  return {
    kind: 'file',
    mode,
    size: PAGE,
    refusal: 'EACCES',
    ...(show === undefined ? {} : { read: slices(show) }),
    ...(store === undefined
      ? {}
      : {
          write: async (bytes) => {
            const taken = bytes.subarray(0, PAGE);
            if (taken.length > 0) {
              await store(taken);
            }
            return taken.length;
          },
        }),
  };
}

export interface DebugfsSpec {
  readonly mode: Mode;
  /** The whole text; a read at an offset is a piece of it. */
  readonly show?: () => Text;
  /** The same for bytes. */
  readonly blob?: () => Uint8Array;
  /** As `show`, but a read anywhere but at the start answers nothing (`*ppos`, uapi.md 9.2). */
  readonly once?: () => Text;
  readonly store?: (bytes: Uint8Array, offset: number) => Taken | Promise<Taken>;
}

export function debugfsFile({ mode, show, blob, once, store }: DebugfsSpec): FileNode {
  const read = readerOf({ show, blob, once });
  return {
    kind: 'file',
    mode,
    size: 0,
    refusal: 'EINVAL',
    ...(read === undefined ? {} : { read }),
    ...(store === undefined ? {} : { write: async (bytes, offset) => (await store(bytes, offset)) ?? bytes.length }),
  };
}

type Reader = NonNullable<FileNode['read']>;

function readerOf({
  show,
  blob,
  once,
}: {
  show: (() => Text) | undefined;
  blob: (() => Uint8Array) | undefined;
  once: (() => Text) | undefined;
}): Reader | undefined {
  if (once !== undefined) {
    const read = slices(once);
    return (offset, size) => (offset > 0 ? NOTHING : read(0, size));
  }
  if (blob !== undefined) {
    return (offset, size) => blob().subarray(offset, offset + size);
  }
  return show === undefined ? undefined : slices(show);
}

function slices(show: () => Text): Reader {
  return async (offset, size) => Buffer.from(await show(), 'latin1').subarray(offset, offset + size);
}
