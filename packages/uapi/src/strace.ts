/**
 * One line of text for one call, in the manner of strace(1), put together from the kinds of its fields.
 *
 * Must not know: where the line goes.
 */
import { HlError } from '@pedrera/base';
import type { Shape } from './composite-kinds.js';
import type { Entry } from './table.js';

/** Of times: hex is for addresses. */
const TIME_FIELD = /(Ns|Us|Ms|Sec)$/;
const MOST_READABLE = 2 ** 53;

function isNumber(value: unknown): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}

/** Field names and values, such as `size=4096, flags=MAP`. */
export function formatFields(shape: Shape, value: object): string {
  const fields = value as Readonly<Record<string, unknown>>;
  const parts: string[] = [];
  for (const [name, kind] of Object.entries(shape)) {
    const field = fields[name];
    if (field === undefined) continue;
    const isTime = TIME_FIELD.test(name) && isNumber(field) && field < MOST_READABLE;
    parts.push(`${name}=${isTime ? field : kind.format(field)}`);
  }
  return parts.join(', ');
}

/**
 * `CB_CREATE(size=4096, flags=0) = 0 {handle=0x1000000000001000}`, or `= -1 EINVAL (unknown handle)`. Without an outcome the call
 * is still under way: `= ?`. Request and result must be valid for the entry.
 */
export function formatCall(entry: Entry, req: object, outcome?: object | HlError): string {
  const call = `${entry.name}(${formatFields(entry.req, req)})`;
  if (outcome === undefined) return `${call} = ?`;
  if (outcome instanceof HlError) return `${call} = ${formatError(outcome)}`;
  const result = formatFields(entry.res, outcome);
  return result === '' ? `${call} = 0` : `${call} = 0 {${result}}`;
}

function formatError(error: HlError): string {
  return error.detail === undefined ? `-1 ${error.code}` : `-1 ${error.code} (${error.detail})`;
}
