/** What the tests of resets share: words of the contract, and questions to a file. Must not know any one test. */
import type { Req } from '@pedrera/uapi';
import { type Client, FOREVER_US } from '../framework/client.js';
import type { Env } from '../framework/env.js';

export const CUSTOM_TIMEOUT = 0x200;
export const FORCE_RESTORE = 1;
export const STAGED_FIRST = 0x40 | 0x80;
export const SIGNAL = 0x2;
/** Of INFO_DEVICE_STATUS. */
export const IN_RESET = 1;
/** Bits of INFO_GET_EVENTS. */
export const EVENT = {
  TPC_ASSERT: 1,
  UNDEFINED_OPCODE: 2,
  DEVICE_RESET: 4,
  CS_TIMEOUT: 8,
  USER_ENGINE_ERR: 0x20,
  GENERAL_HW_ERR: 0x40,
} as const;

export function waitReq(seq: number): Req<'WAIT_CS'> {
  return { seq, timeoutUs: FOREVER_US, flags: 0 };
}

/** How often its device was reset. */
export async function resets(file: Client): Promise<number> {
  return (await file.call('INFO_RESET_COUNT', {})).hardResetCnt;
}

export async function revoked(env: Env, client: Client): Promise<void> {
  await env.until('the file is revoked', async () => {
    const { errno } = await client.attempt('INFO_DRAM_USAGE', {});
    return errno === 'ENODEV' ? true : undefined;
  });
}
