/**
 * Which addresses of a process are memory, and what the process may do with it (/proc/<pid>/maps).
 *
 * Owns: asking the kernel for one area (Linux 6.11), or reading the list where it cannot be asked.
 * Must not know: what is in the memory (other-process.unsafe.ts).
 */
import { closeSync, openSync, readFileSync } from 'node:fs';
import { errno } from '@pedrera/base';
import { ENOENT, native } from './native.unsafe.js';

/** A stretch of memory with the same rights. */
export interface ProcessArea {
  readonly start: number;
  readonly end: number;
  readonly readable: boolean;
  readonly writable: boolean;
  /** Shared with whoever maps the same file; otherwise writing makes a private copy. */
  readonly shared: boolean;
}

/** PROCMAP_QUERY: _IOWR('f', 17, struct procmap_query). */
const QUERY = 0xc068_6611;
const QUERY_BYTES = 104;
const AT = { size: 0, address: 16, start: 24, end: 32, flags: 40 } as const;
const READABLE = 1n;
const WRITABLE = 2n;
const SHARED = 8n;

const LINE = /^([0-9a-f]+)-([0-9a-f]+) ([r-])([w-])[x-]([sp]) /;

export class ProcessAreas {
  readonly #query = Buffer.alloc(QUERY_BYTES);
  #fd: number;
  #list: ProcessArea[] | undefined;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** Throws HlError: ESRCH when there is no such process, EACCES when it is somebody else's. */
  static open(pid: number): ProcessAreas {
    try {
      return new ProcessAreas(openSync(`/proc/${pid}/maps`, 'r'));
    } catch (error) {
      const denied = (error as NodeJS.ErrnoException).code === 'EACCES';
      throw denied
        ? errno('EACCES', `the memory map of process ${pid} may not be read`)
        : errno('ESRCH', `there is no process ${pid}`);
    }
  }

  /** The area an address lies in. */
  at(address: number): ProcessArea | undefined {
    return this.#list === undefined ? this.#ask(address) : this.listed(address);
  }

  /** The same from the whole list, for kernels that cannot be asked for one area. */
  listed(address: number): ProcessArea | undefined {
    this.#list ??= parse(this.#read());
    let low = 0;
    let high = this.#list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#list[middle] as ProcessArea).end <= address) low = middle + 1;
      else high = middle;
    }
    const area = this.#list[low];
    return area !== undefined && area.start <= address ? area : undefined;
  }

  close(): void {
    if (this.#fd < 0) return;
    closeSync(this.#fd);
    this.#fd = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #ask(address: number): ProcessArea | undefined {
    const query = this.#query.fill(0);
    query.writeBigUInt64LE(BigInt(QUERY_BYTES), AT.size);
    query.writeBigUInt64LE(BigInt(address), AT.address);
    if (native().libc.ioctl(this.#fd, QUERY, query) !== 0) {
      return native().errno() === ENOENT ? undefined : this.listed(address);
    }
    const flags = query.readBigUInt64LE(AT.flags);
    return {
      start: Number(query.readBigUInt64LE(AT.start)),
      end: Number(query.readBigUInt64LE(AT.end)),
      readable: (flags & READABLE) !== 0n,
      writable: (flags & WRITABLE) !== 0n,
      shared: (flags & SHARED) !== 0n,
    };
  }

  /** Empty for a process that has ended. */
  #read(): string {
    try {
      return readFileSync(this.#fd, 'utf8');
    } catch {
      return '';
    }
  }
}

function parse(text: string): ProcessArea[] {
  const areas: ProcessArea[] = [];
  for (const line of text.split('\n')) {
    const [, start, end, read, write, share] = LINE.exec(line) ?? [];
    if (start === undefined || end === undefined) continue;
    areas.push({
      start: Number.parseInt(start, 16),
      end: Number.parseInt(end, 16),
      readable: read === 'r',
      writable: write === 'w',
      shared: share === 's',
    });
  }
  return areas;
}
