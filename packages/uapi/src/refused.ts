/**
 * Calls of the driver that this project does not implement. They fail with an errno the contract allows for them and show in the
 * support matrix; success is returned only for work that was done.
 *
 * Must not know: how a refusal is counted or sent.
 */
import type { ErrnoCode } from '@pedrera/base';
import { DEBUG_OP, INFO_OP, MEM_OP } from './constants.js';
import type { RefusedCall } from './ioctl.js';
import { NR } from './ioctls/blocks.js';

function info(op: keyof typeof INFO_OP, duringReset: boolean, errno: ErrnoCode, why: string): RefusedCall {
  return { name: `INFO_${op}`, nr: NR.INFO, op: INFO_OP[op], duringReset, errno, why };
}

const NO_FIRMWARE = 'there is no firmware to ask; its query fails as after a firmware time-out (uapi.md 2.4)';
const NO_EVENTS = 'device events are not simulated; fails as an op that the driver does not know';

const DEBUG_CALLS = (Object.keys(DEBUG_OP) as (keyof typeof DEBUG_OP)[]).map(
  (op): RefusedCall => ({
    name: `DEBUG_${op}`,
    nr: NR.DEBUG,
    op: DEBUG_OP[op],
    duringReset: false,
    errno: 'EFAULT',
    why: 'there is no trace hardware; fails as outside debug mode (uapi.md 8)',
  }),
);

export const REFUSED: readonly RefusedCall[] = [
  info('HW_EVENTS', true, 'EINVAL', NO_EVENTS),
  info(
    'DEVICE_UTILIZATION',
    false,
    'EINVAL',
    'there is no firmware to measure power; fails as any firmware error (uapi.md 2.4)',
  ),
  info('HW_EVENTS_AGGREGATE', true, 'EINVAL', NO_EVENTS),
  info('CLK_RATE', false, 'EIO', NO_FIRMWARE),
  info('PCI_COUNTERS', false, 'EIO', NO_FIRMWARE),
  info('CLK_THROTTLE_REASON', true, 'EINVAL', NO_EVENTS),
  info('TOTAL_ENERGY', false, 'EIO', NO_FIRMWARE),
  info('PLL_FREQUENCY', false, 'EIO', NO_FIRMWARE),
  info('POWER', false, 'EIO', NO_FIRMWARE),
  info('DRAM_REPLACED_ROWS', false, 'EIO', NO_FIRMWARE),
  info('DRAM_PENDING_ROWS', false, 'EIO', NO_FIRMWARE),
  info('LAST_ERR_OPEN_DEV_TIME', true, 'EINVAL', NO_EVENTS),
  info('CS_TIMEOUT_EVENT', true, 'EINVAL', NO_EVENTS),
  info('RAZWI_EVENT', true, 'EINVAL', NO_EVENTS),
  info(
    'DEV_MEM_ALLOC_PAGE_SIZES',
    true,
    'EINVAL',
    'the 2021 contract does not have it; fails as an op that the driver does not know',
  ),
  info('SECURED_ATTESTATION', false, 'EIO', NO_FIRMWARE),
  info('REGISTER_EVENTFD', false, 'EINVAL', NO_EVENTS),
  info('UNREGISTER_EVENTFD', false, 'EINVAL', 'none is registered (uapi.md 2.4)'),
  info('GET_EVENTS', true, 'EINVAL', NO_EVENTS),
  info('UNDEFINED_OPCODE_EVENT', true, 'EINVAL', NO_EVENTS),
  info(
    'ENGINE_STATUS',
    false,
    'EINVAL',
    'register dumps are not simulated; fails as an op that the driver does not know',
  ),
  {
    name: 'MEMORY_MAP_BLOCK',
    nr: NR.MEMORY,
    op: MEM_OP.MAP_BLOCK,
    duringReset: false,
    errno: 'EPERM',
    why: 'Gaudi has no mappable hardware blocks (uapi.md 5.7)',
    failure: { start: 'zero8', set: { blockSize: 0 }, untouchedOn: ['EBUSY'] },
  },
  {
    name: 'MEMORY_TS_ALLOC',
    nr: NR.MEMORY,
    op: MEM_OP.TS_ALLOC,
    duringReset: false,
    errno: 'ENOMEM',
    why: 'timestamp records serve interrupt waits, which Gaudi does not have (uapi.md 5.9)',
  },
  ...DEBUG_CALLS,
];
