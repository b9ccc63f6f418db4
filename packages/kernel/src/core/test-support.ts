/**
 * What the unit tests of the kernel say often: the code a call fails with, and packets that do nothing, block and let go.
 *
 * Must not know any one test, or the daemon.
 */
import { HlError } from '@pedrera/base';
import { encodeFence, encodeMsgLong, encodeNop, fenceRdataAddress } from '@pedrera/hw';
import { WAIT_STATUS } from '@pedrera/uapi';
import type { OpenFile } from './open-file.js';
import { waitForSubmission } from './wait.js';

/** What a call ends with: 'ok', the code of its HlError, or the text of another error. */
export function codeNow(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return codeOfError(error);
  }
  return 'ok';
}

/** The same for a call that answers later, or for its promise. */
export async function codeOf(call: unknown): Promise<string> {
  try {
    await (typeof call === 'function' ? call() : call);
  } catch (error) {
    return codeOfError(error);
  }
  return 'ok';
}

function codeOfError(error: unknown): string {
  return error instanceof HlError ? error.code : String(error);
}

export const nop = (words: Uint32Array): number => encodeNop(words, 0);

/** A fence that holds its stream until `release` of the same queue. */
export const stuck = (words: Uint32Array): number => encodeFence(words, 0, { id: 0, target: 1, dec: 1 });

export const release =
  (queue: number) =>
  (words: Uint32Array): number =>
    encodeMsgLong(words, 0, { address: fenceRdataAddress(queue, 0), value: 1 });

/** Whether a submission is complete; undefined where only waiting would tell. */
export function done(file: OpenFile, seq: number): boolean | undefined {
  const result = waitForSubmission(file, seq, 0n);
  return result instanceof Promise ? undefined : result.status === WAIT_STATUS.COMPLETED;
}
