/** The queues a program may submit to, by name. The table itself is the hardware contract's (device.md 2.1). */
import { QUEUES } from '@pedrera/hw';

type Stream = 0 | 1 | 2 | 3;
type Eight = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7;

/** `DMA_0_*` (host to device, by convention) and `DMA_1_*` (device to host) are external: they run command buffers. The others are internal. */
export type QueueName =
  | `DMA_${Eight}_${Stream}`
  | `MME_${0 | 1}_${Stream}`
  | `TPC_${Eight}_${Stream}`
  | `NIC_${Eight | 8 | 9}_${Stream}`;

/** Queue ids by name. The CPU queue is missing: it is the driver's. */
export const Queue = Object.fromEntries(
  QUEUES.filter(({ kind }) => kind !== 'cpu').map(({ name, id }) => [name, id]),
) as Readonly<Record<QueueName, number>>;
