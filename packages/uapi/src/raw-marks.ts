/**
 * What a handler and the raw spelling tell each other about one call beside its request and its outcome.
 *
 * Owns: arrays of a C program that could not be read, until the handler comes to the point where the driver would copy them; and what
 * an error leaves in the arg block when it is not what the table says for the call.
 * Must not know: any particular call.
 *
 * A typed request never carries such a mark, and a typed reply has no block: there all of this does nothing.
 */
import type { HlError } from '@pedrera/base';

const UNREADABLE = new WeakMap<object, HlError>();

/** Marks an array as one whose memory the caller could not show. */
export function markUnreadable<T extends object>(list: T, error: HlError): T {
  UNREADABLE.set(list, error);
  return list;
}

/** Throws EFAULT for an array behind a pointer that cannot be read. Asked where the driver does copy_from_user. */
export function requireReadable(list: object | undefined): void {
  const error = list === undefined ? undefined : UNREADABLE.get(list);
  if (error !== undefined) throw error;
}

export type BlockFields = Readonly<Record<string, number>>;

const LEFT = new WeakMap<HlError, BlockFields | 'untouched'>();

/** The error, with values for out fields of the arg block that take the place of the table's. */
export function leavingInBlock(error: HlError, fields: BlockFields): HlError {
  LEFT.set(error, fields);
  return error;
}

/** The error, after which the caller finds the block as it gave it. */
export function leavingBlockUntouched(error: HlError): HlError {
  LEFT.set(error, 'untouched');
  return error;
}

export function leftInBlock(error: HlError): BlockFields | 'untouched' | undefined {
  return LEFT.get(error);
}
