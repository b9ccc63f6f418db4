/**
 * The one exception type that may cross the user/kernel line.
 *
 * Owns: how an errno, the ioctl it came from and the sentence that explains it are carried and spelled.
 * Must not know: the ioctl table (ioctl names are plain strings here) or how errors travel.
 */
import { ERRNO, type ErrnoCode } from './errno.js';

export class HlError extends Error {
  /** Match on this, not on the message. */
  readonly code: ErrnoCode;
  /** Positive number as in errno(3). */
  readonly errno: number;
  /** The call that failed, once dispatch or the client has named it. */
  declare readonly ioctl?: string;
  /** One sentence with the values that matter, without the errno name. */
  declare readonly detail?: string;

  constructor(code: ErrnoCode, detail?: string, ioctl?: string) {
    super(spell(code, detail, ioctl));
    this.name = 'HlError';
    this.code = code;
    this.errno = ERRNO[code];
    if (ioctl !== undefined) this.ioctl = ioctl;
    if (detail !== undefined) this.detail = detail;
  }

  /** The same failure, attributed to a call. Keeps the stack of the place where it arose. */
  withIoctl(ioctl: string): HlError {
    if (this.ioctl === ioctl) return this;
    const named = new HlError(this.code, this.detail, ioctl);
    const frames = this.stack?.slice(this.stack.indexOf('\n    at ')) ?? '';
    named.stack = `${named.name}: ${named.message}${frames.startsWith('\n') ? frames : ''}`;
    return named;
  }
}

function spell(code: ErrnoCode, detail: string | undefined, ioctl: string | undefined): string {
  if (ioctl === undefined) return detail === undefined ? code : `${code}: ${detail}`;
  return detail === undefined ? `${ioctl}: ${code}` : `${ioctl}: ${code} (${detail})`;
}

/** What kernel code throws: `throw errno('ENOENT', 'command buffer 7')`. */
export function errno(code: ErrnoCode, detail?: string): HlError {
  return new HlError(code, detail);
}
