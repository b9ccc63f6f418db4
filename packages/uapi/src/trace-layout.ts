/**
 * How records of a trace lie in memory, in messages and in files.
 *
 * Owns: the numbers of the record types and the places of their fields. Must not know: who writes or reads them.
 *
 * A record is a head of 16 bytes and a body, padded to 8, little endian:
 *   u32 bytes in all | u8 type, u8 device, u16 sort | f64 time in ns (CLOCK_MONOTONIC)
 * A record's number is its place in the recording; LOST stands for as many as it says.
 */

export const TRACE_HEAD_BYTES = 16;
export const TRACE_ALIGNMENT = 8;

/** Types that may come are skipped by a reader that does not know them. */
export const RECORD = {
  /** u32 client, u32 length, JSON. */
  CLIENT: 1,
  /** u32 client, u32 pid. */
  CLIENT_END: 2,
  /** u32 client, u32 length of the frame; its body, or nothing when it was longer than MAX_TRACED_FRAME. */
  REQUEST: 3,
  REPLY: 4,
  /** u32 asid, u32 pid, f64 seq, u32 jobs, u32 0; a word a job: queue, ring slot << 8. */
  SUBMIT: 5,
  /** u32 asid, u32 pid, f64 seq, u32 errno, u32 0. */
  FINISH: 6,
  /** u32 asid, u32 pid, f64 seq. */
  WAKE: 7,
  /** u32 asid, s32 queue, f64 duration, u32 index, u32 0, f64 address, f64 bytes; sort: of ENGINE_SORTS, and ENGINE_FLAG bits. */
  ENGINE: 8,
  /** u32 asid, s32 queue, u32 dcore, u32 index, u32 value, u32 0, f64 address; sort: of SYNC_SORTS. */
  SYNC: 9,
  /** u32 asid + 1 or 0, u32 pid, u32 length, u32 0; text. The device is NO_DEVICE when it is none's. */
  EVENT: 10,
  /** u32 client, u32 length, u64 handle, f64 offset; bytes. */
  CONTENTS: 11,
  /** u32 client, u32 0, u64 handle, f64 bytes; SHA-256; sort: of DIGEST_SORTS. */
  DIGEST: 12,
  /** f64 count. */
  LOST: 13,
  /** Of files only, their last: f64 records, f64 lost. */
  END: 14,
} as const;

export const ENGINE_SORTS = ['job', 'fence wait', 'move', 'grant wait', 'barrier wait', 'computation'] as const;
/** Above the number of the sort. */
export const ENGINE_FLAG = { LOWER: 0x100, CUT: 0x200, OPEN: 0x400 } as const;
export const SYNC_SORTS = ['sob', 'arm', 'fire'] as const;
export const DIGEST_SORTS = ['host buffer', 'device memory'] as const;
export const DIGEST_BYTES = 32;

export const NO_DEVICE = 0xff;
/** A longer frame (an inspection, a large memory region) is told by its length alone, unless all contents are recorded. */
export const MAX_TRACED_FRAME = 64 * 1024;
