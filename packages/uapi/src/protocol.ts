/**
 * Numbers both sides of a connection must agree on: version, frame bound, and how handles and mmap offsets are made (uapi.md 2.9).
 *
 * Owns: the encoding of handles. Must not know: what an object behind a handle is.
 *
 * A typed request is [id, code, [fields]], its reply [id, 0, [fields]] or [id, errno, detail]; an event is [0, name, payload...].
 * A raw request, from C programs, is [id, cmd, block, [buffers]], its reply [id, errno, block, [buffers], detail?].
 */
import type { Handle } from './kinds.js';
import { MAX_PENDING } from './limits.js';

/** Raised whenever an old peer would misunderstand a new one. */
export const PROTOCOL_VERSION = 1;
export const MAX_FRAME_BYTES = 1024 * 1024;
/** Requests of one connection that may wait for their replies. */
export const MAX_IN_FLIGHT = 4096;

/**
 * Host memory from HOST_ALLOC is named, in MEMORY_MAP_HOST, by addresses from here on. No process has a pointer this large, so it cannot be
 * mistaken for memory of a C program.
 */
export const HOST_BUFFER_ADDRESS_BASE = 2 ** 52;

/** Addresses each host buffer may take up; a buffer is smaller (MAX_HOST_BUFFER_SIZE). */
const HOST_BUFFER_ADDRESS_STRIDE = 2 ** 34;

/** The address of the first byte of the host buffer with this id. */
export function hostBufferAddress(id: number): number {
  return HOST_BUFFER_ADDRESS_BASE + id * HOST_BUFFER_ADDRESS_STRIDE;
}

/** The id of the host buffer an address would lie in; undefined for what is no such address. */
export function hostBufferIdAt(address: number): number | undefined {
  const id = Math.floor((address - HOST_BUFFER_ADDRESS_BASE) / HOST_BUFFER_ADDRESS_STRIDE);
  return id > 0 ? id : undefined;
}

/** The ring of completed sequence numbers of a context (MAX_PENDING dwords, one a slot), as an MMAP offset. */
export const COMPLETION_RING_OFFSET = 0x3000_0000_0000_0000n;
export const COMPLETION_RING_BYTES = 4 * MAX_PENDING;

export const HANDLE_PAGE_SHIFT = 12n;
const TYPE_SHIFT = 59n;
/** Bits 63:59 of a handle. HOST_BUFFER and COMPLETION_RING are this project's own and collide with none of the driver's. */
export const HANDLE_TYPE = {
  COMMAND_BUFFER: 0x2,
  BLOCK: 0x4,
  COMPLETION_RING: 0x6,
  HOST_BUFFER: 0x8,
  TIMESTAMP_BUFFER: 0x10,
} as const;

export type CommandBufferHandle = Handle<'cb'>;
/** Shares its numbering with command buffers (uapi.md 2.9). */
export type TimestampBufferHandle = Handle<'ts'>;
export type HostBufferHandle = Handle<'host'>;
/** Names device memory; unlike the others a plain number without type bits (uapi.md 5.2). */
export type MemoryHandle = Handle<'memory'>;

function makeHandle(type: number, id: number): bigint {
  return (BigInt(type) << TYPE_SHIFT) | (BigInt(id) << HANDLE_PAGE_SHIFT);
}

export function commandBufferHandle(id: number): CommandBufferHandle {
  return makeHandle(HANDLE_TYPE.COMMAND_BUFFER, id) as CommandBufferHandle;
}

export function timestampBufferHandle(id: number): TimestampBufferHandle {
  return makeHandle(HANDLE_TYPE.TIMESTAMP_BUFFER, id) as TimestampBufferHandle;
}

export function hostBufferHandle(id: number): HostBufferHandle {
  return makeHandle(HANDLE_TYPE.HOST_BUFFER, id) as HostBufferHandle;
}

export function memoryHandle(id: number): MemoryHandle {
  return BigInt(id) as MemoryHandle;
}

/** Every submission takes a handle apart: through memory, for arithmetic on bigints allocates. */
const HANDLE_SCRATCH = new BigUint64Array(1);
const HANDLE_WORDS = new Uint32Array(HANDLE_SCRATCH.buffer);

/** Bits 63:59, one of HANDLE_TYPE for an offset MMAP takes. */
export function handleType(handle: bigint): number {
  HANDLE_SCRATCH[0] = handle;
  return (HANDLE_WORDS[1] as number) >>> 27;
}

/** The object id: like the driver, the low 32 bits of handle >> 12, whatever the type bits say. */
export function handleId(handle: bigint): number {
  HANDLE_SCRATCH[0] = handle;
  return (((HANDLE_WORDS[0] as number) >>> 12) | ((HANDLE_WORDS[1] as number) << 20)) >>> 0;
}
