/**
 * The typed spelling: requests and results as positional arrays for msgpack.
 *
 * Owns: turning a refusal of a kind into the error a caller sees.
 * Must not know: frames and sockets (the wire package), or the raw spelling (raw.ts).
 */
import { HlError } from '@pedrera/base';
import type { Entry } from './table.js';

function settle(entry: Entry, error: unknown, what: string): unknown {
  if (!(error instanceof HlError)) return error;
  const detail = error.detail ?? '';
  const place = detail.startsWith('.') ? detail.slice(1) : `${what}${detail}`;
  return new HlError(error.code, place, entry.name);
}

/** Checks a request a program made and spells it for the wire. Throws EINVAL with the field's path. */
export function toWire(entry: Entry, req: object): unknown[] {
  try {
    const codec = entry.reqCodec;
    return codec.toWire(codec.check(req, ''));
  } catch (error) {
    throw settle(entry, error, 'request');
  }
}

/** Validates what came from the wire. Throws EINVAL with the field's path: the sender is not trusted. */
export function reqFromWire(entry: Entry, args: unknown): object {
  try {
    return entry.reqCodec.fromWire(args, '');
  } catch (error) {
    throw settle(entry, error, 'request');
  }
}

/** Spells a handler's result. A result that does not fit its shape is our bug, so it does not get an errno of the contract. */
export function resToWire(entry: Entry, res: object): unknown[] {
  try {
    const codec = entry.resCodec;
    return codec.toWire(codec.check(res, ''));
  } catch (error) {
    const reason = error instanceof HlError ? (error.detail ?? '') : String(error);
    throw new TypeError(`the result of ${entry.name} does not fit the table: result${reason}`);
  }
}

export function resFromWire(entry: Entry, args: unknown): object {
  try {
    return entry.resCodec.fromWire(args, '');
  } catch (error) {
    const settled = settle(entry, error, 'result');
    throw settled instanceof HlError ? new HlError('EPROTO', settled.detail, entry.name) : settled;
  }
}
