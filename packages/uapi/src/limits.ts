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
/** Least and most room for the text of INFO ENGINE_STATUS. */
export const ENGINES_DATA_MIN_SIZE = 1024;
export const ENGINES_DATA_MAX_SIZE = 1024 * 1024;
export const PLL_OUTPUTS = 4;
/** Shape of the record of an undefined opcode: streams, and addresses of each. */
export const UNDEFINED_OPCODE_STREAMS = 4;
export const UNDEFINED_OPCODE_ADDRESSES = 8;
/** Bytes of the parts of an attestation. */
export const SEC_ATTEST = { PCR_DATA: 256, PCR_QUOTE: 510, SIGNATURE: 255, PUB_DATA: 510, CERTIFICATE: 2046 } as const;
/** Elements of a buffer of timestamp records. */
export const MAX_TS_ELEMENTS = 2 ** 20;
/** Event types one SPMU can be given. */
export const DEBUG_MAX_AUX_VALUES = 10;
/** Longest output of a trace unit, in u64: an SPMU's eight. */
export const MAX_DEBUG_WORDS = 8;
/** A larger output buffer of DEBUG is refused with ENOMEM: it would not fit a frame. */
export const MAX_DEBUG_OUTPUT_BYTES = 512 * 1024;

export const PAGE_SIZE = 4096;
export const MAX_DEVICES = 128;
/** Bytes of a path of the virtual files, of what is written to or read from one at once, and names in a directory. */
export const MAX_FILE_PATH = 256;
export const MAX_FILE_BYTES = 256 * 1024;
export const MAX_FILE_ENTRIES = 1024;
/** Bytes of the program name in HELLO. */
export const MAX_PROGRAM_NAME = 128;
export const SIDE_TOKEN_BYTES = 16;
/** Processes that have a file at the same time without having opened it. */
export const MAX_JOINED = 64;
/** Bytes of a dma-buf's or sync file's name, without the terminating zero (uapi.md 6.2, 6.5). */
export const MAX_BUFFER_NAME = 31;
/** Buffers, and sync files, one submission may name. */
export const MAX_SYNCED = 64;
/** Fences one SYNC_FILE_INFO lists. */
export const MAX_FENCE_INFOS = 4096;
/** Tags on the side channel from here on are not numbers of the file's own segments. */
export const FIRST_FOREIGN_TAG = 0x8000_0000;
/** Bytes one MR_PUT or MR_GET carries: with the rest of the message they fit a frame. */
export const MAX_RDMA_BYTES = 512 * 1024;
/** Completions one RDMA_POLL takes. */
export const MAX_RDMA_COMPLETIONS = 256;
/** Memory regions, and transfers under way, one open file of the importer node may have. */
export const MAX_MEMORY_REGIONS = 4096;
export const MAX_RDMA_IN_FLIGHT = 1024;
/** Recordings of all clients together. */
export const MAX_RECORDINGS = 16;
/** Least and most memory a recording may ask for, for records its reader has not taken yet. */
export const MIN_TRACE_BYTES = 64 * 1024;
export const MAX_TRACE_BYTES = 256 * 1024 * 1024;
/** Bytes of records one TRACE_READ returns at most. */
export const MAX_TRACE_READ = 512 * 1024;
/** Longest a TRACE_READ waits for records. */
export const MAX_TRACE_WAIT_MS = 60_000;
/** Largest single host allocation. */
export const MAX_HOST_BUFFER_SIZE = 2 ** 33;

/** C names of the limits the header has. */
export const LIMIT_C_NAMES: Readonly<Record<string, number>> = {
  HL_MAX_CB_SIZE: MAX_CB_SIZE,
  HL_MAX_JOBS_PER_CS: MAX_CHUNKS,
  HL_WAIT_MULTI_CS_LIST_MAX_LEN: MAX_MULTI_CS,
  HL_INFO_VERSION_MAX_LEN: VERSION_MAX_LEN,
  HL_INFO_CARD_NAME_MAX_LEN: CARD_NAME_MAX_LEN,
  HL_PLL_NUM_OUTPUTS: PLL_OUTPUTS,
  MAX_QMAN_STREAMS_INFO: UNDEFINED_OPCODE_STREAMS,
  OPCODE_INFO_MAX_ADDR_SIZE: UNDEFINED_OPCODE_ADDRESSES,
  SEC_PCR_DATA_BUF_SZ: SEC_ATTEST.PCR_DATA,
  SEC_PCR_QUOTE_BUF_SZ: SEC_ATTEST.PCR_QUOTE,
  SEC_SIGNATURE_BUF_SZ: SEC_ATTEST.SIGNATURE,
  SEC_PUB_DATA_BUF_SZ: SEC_ATTEST.PUB_DATA,
  SEC_CERTIFICATE_BUF_SZ: SEC_ATTEST.CERTIFICATE,
  TS_MAX_ELEMENTS_NUM: MAX_TS_ELEMENTS,
  HL_DEBUG_MAX_AUX_VALUES: DEBUG_MAX_AUX_VALUES,
};
