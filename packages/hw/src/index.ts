/** @pedrera/hw: the hardware contract. What kernel, silicon and userspace agree on about the device; a leaf above base. */
export * from './address-map.js';
export * from './bus.js';
export * from './device.js';
export * from './doorbells.js';
export * from './events.js';
export * from './fabric.js';
export * from './fault-counter.js';
export * from './fault-rules.js';
export * from './interrupts.js';
export * from './mme.js';
export * from './packed-snapshot.js';
export {
  type FieldSpec,
  OPCODE,
  PACKET_NAMES,
  PACKETS,
  type PacketName,
  type PacketSpec,
  type UserVerdict,
} from './packet-table.js';
export * from './packets.js';
export * from './queues.js';
export * from './reduction.js';
export * from './registers.js';
export * from './ring.js';
export { SpscFifo } from './spsc-fifo.js';
export { HARDWARE_SUPPORT, type HardwareSupport } from './support.js';
export * from './trace-ring.js';
