/**
 * The C structs of the driver's ioctls: arg blocks, CS chunk and INFO payloads (uapi.md 2.3 to 2.6).
 *
 * Owns: offsets and sizes for both generations. Compared with the C header by c-parity.test.ts.
 * Must not know: which call uses which struct.
 */
import { field as f, layout, type StructLayout } from './layout.js';
import { array, bool8, bool32, padding, s32, s64, text, u8, u16, u32, u53, u64 } from './scalars.js';

/** uapi.md 2.3 */
export const HL_INFO_ARGS = layout('struct hl_info_args', 24, {
  returnPointer: f('return_pointer', u64, 0),
  returnSize: f('return_size', u32, 8),
  op: f('op', u32, 12),
  dcoreId: f('dcore_id', u32, 16),
  ctxId: f('ctx_id', u32, 16),
  periodMs: f('period_ms', u32, 16),
  pllIndex: f('pll_index', u32, 16),
  eventfd: f('eventfd', u32, 16, null),
  userBufferActualSize: f('user_buffer_actual_size', u32, 16, null),
  secAttestNonce: f('sec_attest_nonce', u32, 16, null),
  pad: f('pad', padding(4, 4), 20),
});

/** uapi.md 2.5; the 2021 struct ends at 232. */
export const HL_INFO_HW_IP_INFO = layout(
  'struct hl_info_hw_ip_info',
  { '6.1': 256, '2021': 232 },
  {
    sramBaseAddress: f('sram_base_address', u53, 0),
    dramBaseAddress: f('dram_base_address', u53, 8),
    dramSize: f('dram_size', u53, 16),
    sramSize: f('sram_size', u32, 24),
    numOfEvents: f('num_of_events', u32, 28),
    deviceId: f('device_id', u32, 32),
    moduleId: f('module_id', u32, 36),
    decoderEnabledMask: f('decoder_enabled_mask', u32, 40, null),
    firstAvailableInterruptId: f('first_available_interrupt_id', u16, 44),
    serverType: f('server_type', u16, 46, null),
    cpldVersion: f('cpld_version', u32, 48),
    psocPciPllNr: f('psoc_pci_pll_nr', u32, 52),
    psocPciPllNf: f('psoc_pci_pll_nf', u32, 56),
    psocPciPllOd: f('psoc_pci_pll_od', u32, 60),
    psocPciPllDivFactor: f('psoc_pci_pll_div_factor', u32, 64),
    tpcEnabledMask: f('tpc_enabled_mask', u8, 68),
    dramEnabled: f('dram_enabled', bool8, 69),
    securityEnabled: f('security_enabled', bool8, 70, null),
    mmeMasterSlaveMode: f('mme_master_slave_mode', u8, 71, null),
    cpucpVersion: f('cpucp_version', text(128), 72),
    cardName: f('card_name', text(16), 200),
    tpcEnabledMaskExt: f('tpc_enabled_mask_ext', u53, 216, null),
    dramPageSize: f('dram_page_size', u53, 224),
    edmaEnabledMask: f('edma_enabled_mask', u32, 232, null),
    numberOfUserInterrupts: f('number_of_user_interrupts', u16, 236, null),
    pad2: f('pad2', padding(2, 2), 238, null),
    reserved4: f('reserved4', padding(8, 8), 240, null),
    deviceMemAllocDefaultPageSize: f('device_mem_alloc_default_page_size', u53, 248, null),
  },
);

export const HL_INFO_DRAM_USAGE = layout('struct hl_info_dram_usage', 16, {
  dramFreeMem: f('dram_free_mem', u53, 0),
  ctxDramMem: f('ctx_dram_mem', u53, 8),
});

export const HL_INFO_HW_IDLE = layout('struct hl_info_hw_idle', 24, {
  isIdle: f('is_idle', bool32, 0),
  busyEnginesMask: f('busy_engines_mask', u32, 4),
  busyEnginesMaskExt: f('busy_engines_mask_ext', array(u53, 2), 8),
});

export const HL_INFO_DEVICE_STATUS = layout('struct hl_info_device_status', 8, {
  status: f('status', u32, 0),
  pad: f('pad', padding(4, 4), 4),
});

export const HL_INFO_RESET_COUNT = layout('struct hl_info_reset_count', 8, {
  hardResetCnt: f('hard_reset_cnt', u32, 0),
  softResetCnt: f('soft_reset_cnt', u32, 4),
});

export const HL_INFO_TIME_SYNC = layout('struct hl_info_time_sync', 16, {
  deviceTime: f('device_time', u64, 0),
  hostTime: f('host_time', u64, 8),
});

export const HL_INFO_CS_COUNTERS = layout('struct hl_info_cs_counters', 96, {
  totalOutOfMemDropCnt: f('total_out_of_mem_drop_cnt', u53, 0),
  ctxOutOfMemDropCnt: f('ctx_out_of_mem_drop_cnt', u53, 8),
  totalParsingDropCnt: f('total_parsing_drop_cnt', u53, 16),
  ctxParsingDropCnt: f('ctx_parsing_drop_cnt', u53, 24),
  totalQueueFullDropCnt: f('total_queue_full_drop_cnt', u53, 32),
  ctxQueueFullDropCnt: f('ctx_queue_full_drop_cnt', u53, 40),
  totalDeviceInResetDropCnt: f('total_device_in_reset_drop_cnt', u53, 48),
  ctxDeviceInResetDropCnt: f('ctx_device_in_reset_drop_cnt', u53, 56),
  totalMaxCsInFlightDropCnt: f('total_max_cs_in_flight_drop_cnt', u53, 64),
  ctxMaxCsInFlightDropCnt: f('ctx_max_cs_in_flight_drop_cnt', u53, 72),
  totalValidationDropCnt: f('total_validation_drop_cnt', u53, 80),
  ctxValidationDropCnt: f('ctx_validation_drop_cnt', u53, 88),
});

export const HL_INFO_SYNC_MANAGER = layout(
  'struct hl_info_sync_manager',
  { '6.1': 16, '2021': 8 },
  {
    firstAvailableSyncObject: f('first_available_sync_object', u32, 0),
    firstAvailableMonitor: f('first_available_monitor', u32, 4),
    firstAvailableCq: f('first_available_cq', u32, 8, null),
    reserved: f('reserved', padding(4, 4), 12, null),
  },
);

export const HL_OPEN_STATS_INFO = layout(
  'struct hl_open_stats_info',
  { '6.1': 24, '2021': 0 },
  {
    openCounter: f('open_counter', u53, 0, null),
    lastOpenPeriodMs: f('last_open_period_ms', u53, 8, null),
    isComputeCtxActive: f('is_compute_ctx_active', bool8, 16, null),
    computeCtxInRelease: f('compute_ctx_in_release', bool8, 17, null),
    pad: f('pad', padding(6), 18, null),
  },
);

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
  mapBlockBlockAddr: f('map_block.block_addr', u64, 0),
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

/** Refused (refused.ts); here for its size and op. */
export const HL_DEBUG_ARGS = layout('struct hl_debug_args', 40, {
  inputPtr: f('input_ptr', u64, 0),
  outputPtr: f('output_ptr', u64, 8),
  inputSize: f('input_size', u32, 16),
  outputSize: f('output_size', u32, 20),
  op: f('op', u32, 24),
  regIdx: f('reg_idx', u32, 28),
  enable: f('enable', u32, 32),
  ctxId: f('ctx_id', u32, 36),
});

/** Every struct above, for the parity test and the documentation. */
export const STRUCTS: readonly StructLayout[] = [
  HL_INFO_ARGS,
  HL_INFO_HW_IP_INFO,
  HL_INFO_DRAM_USAGE,
  HL_INFO_HW_IDLE,
  HL_INFO_DEVICE_STATUS,
  HL_INFO_RESET_COUNT,
  HL_INFO_TIME_SYNC,
  HL_INFO_CS_COUNTERS,
  HL_INFO_SYNC_MANAGER,
  HL_OPEN_STATS_INFO,
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
];
