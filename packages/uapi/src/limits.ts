/** Bounds of the contract (uapi.md 2.7) and of the protocol's fields. Names the C header has too are compared with it. */

/** Two MiB less the two MSG_PROT packets the driver appends. */
export const MAX_CB_SIZE = 0x1f_ffe0;
/** A smaller command buffer is raised to this. */
export const MIN_CB_SIZE = 4096;
/** Chunks, hence jobs, of one phase of a submission. */
export const MAX_CHUNKS = 512;
/**
 * What the decoder lets through, so that 513 chunks reach the handler, are counted as a validation drop and refused there
 * (uapi.md 4.3), while an absurd count costs nothing.
 */
export const MAX_CHUNKS_DECODED = 4096;
/** Submissions in flight per context: the length of its ring of fences. */
export const MAX_PENDING = 16384;
/** Sequences in one multi-CS wait. */
export const MAX_MULTI_CS = 32;
/** Concurrent multi-CS waits of one device. */
export const MAX_MULTI_CS_WAITERS = 2;
/** Finished submissions with a timestamp that are remembered after their fence is gone. */
export const OUTCOME_STORE_ENTRIES = 256;
export const MAX_SOB_VALUE = 32768;
/** INFO SYNC_MANAGER refuses a dcore from here on, although Gaudi has four. */
export const MAX_DCORES = 8;
export const NUMBER_OF_EVENTS = 663;
export const VERSION_MAX_LEN = 128;
export const CARD_NAME_MAX_LEN = 16;

export const PAGE_SIZE = 4096;
export const MAX_DEVICES = 128;
/** Bytes of the program name in HELLO. */
export const MAX_PROGRAM_NAME = 128;
export const SIDE_TOKEN_BYTES = 16;
/** Largest single host allocation: one bus slot. */
export const MAX_HOST_BUFFER_SIZE = 2 ** 30;

/** C names of the limits the header has. */
export const LIMIT_C_NAMES: Readonly<Record<string, number>> = {
  HL_MAX_CB_SIZE: MAX_CB_SIZE,
  HL_MAX_JOBS_PER_CS: MAX_CHUNKS,
  HL_WAIT_MULTI_CS_LIST_MAX_LEN: MAX_MULTI_CS,
  HL_INFO_VERSION_MAX_LEN: VERSION_MAX_LEN,
  HL_INFO_CARD_NAME_MAX_LEN: CARD_NAME_MAX_LEN,
};
