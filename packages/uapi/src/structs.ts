/**
 * The C structs of the driver's ioctls: the arg blocks and the CS chunk (uapi.md 2.3, 2.6).
 *
 * Owns: offsets and sizes for both generations. Compared with the C header by c-parity.test.ts.
 * Must not know: which call uses which struct. What INFO and DEBUG keep behind pointers is in structs-info.ts and structs-debug.ts.
 */
import { field as f, layout, type StructLayout } from './layout.js';
import { bool32, fd32, padding, s32, s64, u8, u16, u32, u53, u64 } from './scalars.js';
import { DEBUG_STRUCTS } from './structs-debug.js';
import { INFO_STRUCTS } from './structs-info.js';

/** uapi.md 2.3 */
export const HL_INFO_ARGS = layout('struct hl_info_args', 24, {
  returnPointer: f('return_pointer', u64, 0),
  returnSize: f('return_size', u32, 8),
  op: f('op', u32, 12),
  dcoreId: f('dcore_id', u32, 16),
  ctxId: f('ctx_id', u32, 16),
  periodMs: f('period_ms', u32, 16),
  pllIndex: f('pll_index', u32, 16),
  eventfd: f('eventfd', fd32, 16, null),
  userBufferActualSize: f('user_buffer_actual_size', u32, 16, null),
  secAttestNonce: f('sec_attest_nonce', u32, 16, null),
  pad: f('pad', padding(4, 4), 20),
});

/** uapi.md 2.6, as are all that follow. */
export const HL_CB_IN = layout('struct hl_cb_in', 24, {
  cbHandle: f('cb_handle', u64, 0),
  op: f('op', u32, 8),
  cbSize: f('cb_size', u32, 12),
  ctxId: f('ctx_id', u32, 16),
  flags: f('flags', u32, 20, null),
});

export const HL_CB_OUT = layout('struct hl_cb_out', 8, {
  cbHandle: f('cb_handle', u64, 0),
  usageCnt: f('usage_cnt', u32, 0),
  pad: f('pad', padding(4, 4), 4),
  deviceVa: f('device_va', u53, 0, null),
});

export const HL_CS_CHUNK = layout('struct hl_cs_chunk', 64, {
  cbHandle: f('cb_handle', u64, 0),
  signalSeqArr: f('signal_seq_arr', u64, 0),
  encapsSignalSeq: f('encaps_signal_seq', u53, 0, null),
  queueIndex: f('queue_index', u32, 8),
  cbSize: f('cb_size', u32, 12),
  numSignalSeqArr: f('num_signal_seq_arr', u32, 12),
  encapsSignalOffset: f('encaps_signal_offset', u32, 12, null),
  csChunkFlags: f('cs_chunk_flags', u32, 16),
  collectiveEngineId: f('collective_engine_id', u32, 20),
  pad: f('pad', padding(40, 4), 24),
});

export const HL_CS_IN = layout('struct hl_cs_in', 48, {
  chunksRestore: f('chunks_restore', u64, 0),
  chunksExecute: f('chunks_execute', u64, 8),
  engineCores: f('engine_cores', u64, 0, null),
  numEngineCores: f('num_engine_cores', u32, 8, null),
  coreCommand: f('core_command', u32, 12, null),
  seq: f('seq', u53, 16),
  encapsSigHandleId: f('encaps_sig_handle_id', u32, 16, null),
  encapsSignalsCount: f('encaps_signals_count', u32, 16, null),
  encapsSignalsQIdx: f('encaps_signals_q_idx', u32, 20, null),
  numChunksRestore: f('num_chunks_restore', u32, 24),
  numChunksExecute: f('num_chunks_execute', u32, 28),
  timeout: f('timeout', u32, 32),
  csFlags: f('cs_flags', u32, 36),
  ctxId: f('ctx_id', u32, 40),
  pad: f('pad', padding(4), 44, null),
});

export const HL_CS_OUT = layout(
  'struct hl_cs_out',
  { '6.1': 24, '2021': 16 },
  {
    seq: f('seq', u53, 0),
    handleId: f('handle_id', u32, 0, null),
    count: f('count', u32, 4, null),
    status: f('status', u32, 8),
    sobBaseAddrOffset: f('sob_base_addr_offset', u32, 12, null),
    sobCountBeforeSubmission: f('sob_count_before_submission', u16, 16, null),
    pad: f('pad', padding(6, 2), 18, null),
  },
);

/** In 2021 the interrupt form has two u32, target at 8 and timeout at 12, in place of one u64 target and a timeout further on. */
export const HL_WAIT_CS_IN = layout(
  'struct hl_wait_cs_in',
  { '6.1': 56, '2021': 24 },
  {
    seq: f('seq', u53, 0),
    timeoutUs: f('timeout_us', u64, 8),
    addr: f('addr', u64, 0),
    cqCountersHandle: f('cq_counters_handle', u64, 0, null),
    target: f<bigint | number>('target', u64, 8, { at: 8, as: u32 }),
    ctxId: f('ctx_id', u32, 16),
    flags: f('flags', u32, 20),
    seqArrLen: f('seq_arr_len', u8, 24, null),
    pad: f('pad', padding(7), 25, null),
    interruptTimeoutUs: f<bigint | number>('interrupt_timeout_us', u64, 24, { at: 12, as: u32 }),
    cqCountersOffset: f('cq_counters_offset', u64, 32, null),
    timestampHandle: f('timestamp_handle', u64, 40, null),
    timestampOffset: f('timestamp_offset', u64, 48, null),
  },
);

export const HL_WAIT_CS_OUT = layout(
  'struct hl_wait_cs_out',
  { '6.1': 24, '2021': 16 },
  {
    status: f('status', u32, 0),
    flags: f('flags', u32, 4),
    timestampNsec: f('timestamp_nsec', s64, 8),
    csCompletionMap: f('cs_completion_map', u32, 16, null),
    pad: f('pad', padding(4, 4), 20, null),
  },
);

export const HL_MEM_IN = layout('struct hl_mem_in', 40, {
  allocMemSize: f('alloc.mem_size', u53, 0),
  allocPageSize: f('alloc.page_size', u53, 8, null),
  freeHandle: f('free.handle', u64, 0),
  mapDeviceHintAddr: f('map_device.hint_addr', u53, 0),
  mapDeviceHandle: f('map_device.handle', u64, 8),
  mapHostHostVirtAddr: f('map_host.host_virt_addr', u53, 0),
  mapHostHintAddr: f('map_host.hint_addr', u53, 8),
  mapHostMemSize: f('map_host.mem_size', u53, 16),
  mapBlockBlockAddr: f('map_block.block_addr', u53, 0),
  unmapDeviceVirtAddr: f('unmap.device_virt_addr', u53, 0),
  exportDmabufFdHandle: f('export_dmabuf_fd.handle', u64, 0),
  exportDmabufFdMemSize: f('export_dmabuf_fd.mem_size', u53, 8),
  op: f('op', u32, 24),
  flags: f('flags', u32, 28),
  ctxId: f('ctx_id', u32, 32),
  numOfElements: f('num_of_elements', u32, 36, null),
});

/** 2021 reads the descriptor as a u64: with the block zeroed its upper half is 0. */
export const HL_MEM_OUT = layout('struct hl_mem_out', 16, {
  deviceVirtAddr: f('device_virt_addr', u53, 0),
  handle: f('handle', u64, 0),
  blockHandle: f('block_handle', u64, 0),
  blockSize: f('block_size', u32, 8),
  pad: f('pad', padding(4, 4), 12),
  fd: f<number>('fd', s32, 0, { at: 0, as: u53 }),
});

export const HL_DEBUG_ARGS = layout('struct hl_debug_args', 40, {
  inputPtr: f('input_ptr', u64, 0),
  outputPtr: f('output_ptr', u64, 8),
  inputSize: f('input_size', u32, 16),
  outputSize: f('output_size', u32, 20),
  op: f('op', u32, 24),
  regIdx: f('reg_idx', u32, 28),
  enable: f('enable', bool32, 32),
  ctxId: f('ctx_id', u32, 36),
});

/** Every struct, for the parity test and the documentation. */
export const STRUCTS: readonly StructLayout[] = [
  HL_INFO_ARGS,
  ...INFO_STRUCTS,
  HL_CB_IN,
  HL_CB_OUT,
  HL_CS_CHUNK,
  HL_CS_IN,
  HL_CS_OUT,
  HL_WAIT_CS_IN,
  HL_WAIT_CS_OUT,
  HL_MEM_IN,
  HL_MEM_OUT,
  HL_DEBUG_ARGS,
  ...DEBUG_STRUCTS,
];
