/**
 * The FILE calls as open(2), pread(2), pwrite(2), lstat(2) and readdir(3) of a C program.
 *
 * Owns: how they are spelled there. Must not know what is in the files.
 */
import type { IoctlName, Req } from '@pedrera/uapi';
import { DoesNotApply, ownCall } from '../framework/does-not-apply.js';
import { OPERATION, type RelayProcess } from './relay-process.js';

interface Result {
  /** errno; 0 for success. */
  readonly error: number;
  readonly res: object;
}

type FileCall = (program: RelayProcess, req: never) => Promise<Result>;

const TYPE_MASK = 0o170000;
const KINDS: ReadonlyMap<number, 'file' | 'dir' | 'link'> = new Map([
  [0o100000, 'file'],
  [0o040000, 'dir'],
  [0o120000, 'link'],
]);

/** One of the FILE calls. Files that are the machine's own are none of a test's business. */
export async function callOnFile(program: RelayProcess, name: IoctlName, req: object): Promise<Result> {
  const call = FILE_CALLS[name];
  if (call === undefined) {
    throw new DoesNotApply(ownCall(name));
  }
  const { path } = req as { readonly path: string };
  if (!/^\/+sys\//.test(path)) {
    throw new DoesNotApply(`is about ${path}, which for a C program is the machine’s own`);
  }
  return call(program, req as never);
}

const FILE_CALLS: Readonly<Partial<Record<IoctlName, FileCall>>> = {
  FILE_READ: async (program, { path, offset, size }: Req<'FILE_READ'>) => {
    const { error, bytes } = await program.ask(OPERATION.READ_FILE, [size, offset], Buffer.from(path));
    return { error, res: { bytes } };
  },
  FILE_WRITE: async (program, { path, offset, bytes }: Req<'FILE_WRITE'>) => {
    const name = Buffer.from(path);
    const { error, value } = await program.ask(
      OPERATION.WRITE_FILE,
      [name.length, offset],
      Buffer.concat([name, bytes]),
    );
    return { error, res: { written: Number(value) } };
  },
  FILE_STAT: async (program, { path }: Req<'FILE_STAT'>) => {
    const { error, bytes } = await program.ask(OPERATION.STAT_FILE, [], Buffer.from(path));
    const [found] = entriesIn(bytes);
    return { error, res: found === undefined ? {} : without(found, 'name') };
  },
  FILE_LIST: async (program, { path }: Req<'FILE_LIST'>) => {
    const { error, bytes } = await program.ask(OPERATION.LIST_FILES, [], Buffer.from(path));
    return { error, res: { entries: entriesIn(bytes).map(({ name, kind, mode }) => ({ name, kind, mode })) } };
  },
};

/** `mode size name TAB target`, a line each (relay/files.c). */
function entriesIn(bytes: Uint8Array) {
  const lines = Buffer.from(bytes).toString('utf8').split('\n').slice(0, -1);
  return lines.map((line) => {
    const [, mode = '', size = '', name = '', target = ''] = /^([0-7]+) (\d+) ([^\t]*)\t(.*)$/.exec(line) ?? [];
    const bits = Number.parseInt(mode, 8);
    return {
      name,
      kind: KINDS.get(bits & TYPE_MASK) ?? 'file',
      mode: bits & ~TYPE_MASK,
      size: Number(size),
      ...(target === '' ? {} : { target }),
    };
  });
}

function without<T extends object>(from: T, key: keyof T): object {
  const { [key]: _, ...rest } = from;
  return rest;
}
