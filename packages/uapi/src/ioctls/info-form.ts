/** What all INFO calls have in common: the block, the answer behind a pointer, the causes of failure (uapi.md 2.3, 2.4). */
import type { Shape } from '../composite-kinds.js';
import { type AbiBinding, type ErrorRow, row } from '../ioctl.js';
import type { StructLayout } from '../layout.js';
import { INFO_BLOCK } from './blocks.js';

type SameNames<S extends Shape> = { readonly [K in keyof S]: string };

/** Result fields are named after the payload's own. */
export function answers<S extends Shape>(
  payload: StructLayout,
  res: S,
): Pick<AbiBinding<object, object>, 'block' | 'payload' | 'success' | 'failure'> & { out: SameNames<S> } {
  const out = Object.fromEntries(Object.keys(res).map((name) => [name, name])) as SameNames<S>;
  return { block: INFO_BLOCK, payload, out, success: 'echo', failure: { start: 'echo' } };
}

export const NONE = {} as const satisfies Shape;

export const SOURCE = 'common/habanalabs_ioctl.c';

/** The causes every answer through a pointer has. */
export const POINTER_ERRORS: readonly ErrorRow[] = [
  row('EINVAL', 'no-room', 'return_size or return_pointer is 0'),
  row('EFAULT', 'pointer', 'return_pointer is not writable'),
];

export const BUSY: ErrorRow = row('EBUSY', 'not-operational', 'the device is not operational');

/** The operational test comes before the pointer (uapi.md 2.4). */
export const NOT_IN_RESET: readonly ErrorRow[] = [BUSY, ...POINTER_ERRORS];

/** What a question to the firmware can end with (uapi.md 2.4). */
export const FIRMWARE_ERRORS: readonly ErrorRow[] = [
  ...NOT_IN_RESET,
  row('ETIMEDOUT', 'firmware-silent', 'the firmware does not answer in time; it counts as dead from then on'),
  row('EIO', 'firmware-dead', 'the firmware was found dead before, and no hard reset has revived it'),
];
