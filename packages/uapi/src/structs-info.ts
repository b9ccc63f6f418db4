/**
 * What INFO writes behind return_pointer (uapi.md 2.4, 2.5).
 *
 * Owns: offsets and sizes for both generations. Compared with the C header by c-parity.test.ts.
 * Must not know: which op answers with which struct.
 */
import { field as f, layout, type StructLayout } from './layout.js';
import { NUMBER_OF_EVENTS } from './limits.js';
import { array, blob, bool8, bool32, padding, s53, text, u8, u16, u32, u53, u64 } from './scalars.js';

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

export const HL_INFO_DEVICE_UTILIZATION = layout('struct hl_info_device_utilization', 8, {
  utilization: f('utilization', u32, 0),
  pad: f('pad', padding(4, 4), 4),
});

export const HL_INFO_CLK_RATE = layout('struct hl_info_clk_rate', 8, {
  curClkRateMhz: f('cur_clk_rate_mhz', u32, 0),
  maxClkRateMhz: f('max_clk_rate_mhz', u32, 4),
});

export const HL_INFO_PCI_COUNTERS = layout('struct hl_info_pci_counters', 24, {
  rxThroughput: f('rx_throughput', u53, 0),
  txThroughput: f('tx_throughput', u53, 8),
  replayCnt: f('replay_cnt', u53, 16),
});

export const HL_INFO_CLK_THROTTLE = layout(
  'struct hl_info_clk_throttle',
  { '6.1': 40, '2021': 4 },
  {
    clkThrottlingReason: f('clk_throttling_reason', u32, 0),
    pad: f('pad', padding(4, 4), 4, null),
    clkThrottlingStartUs: f('clk_throttling_timestamp_us', array(u53, 2), 8, null),
    clkThrottlingDurationNs: f('clk_throttling_duration_ns', array(u53, 2), 24, null),
  },
);

export const HL_INFO_ENERGY = layout('struct hl_info_energy', 8, {
  totalEnergyConsumption: f('total_energy_consumption', u53, 0),
});

export const HL_PLL_FREQUENCY_INFO = layout('struct hl_pll_frequency_info', 8, {
  output: f('output', array(u16, 4), 0),
});

export const HL_POWER_INFO = layout('struct hl_power_info', 8, { power: f('power', u53, 0) });

const NEW_IN_6_1 = (size: number): { readonly '6.1': number; readonly '2021': number } => ({ '6.1': size, '2021': 0 });

export const HL_INFO_LAST_ERR_OPEN_DEV_TIME = layout('struct hl_info_last_err_open_dev_time', NEW_IN_6_1(8), {
  timestamp: f('timestamp', s53, 0, null),
});

export const HL_INFO_CS_TIMEOUT_EVENT = layout('struct hl_info_cs_timeout_event', NEW_IN_6_1(16), {
  timestamp: f('timestamp', s53, 0, null),
  seq: f('seq', u53, 8, null),
});

export const HL_INFO_RAZWI_EVENT = layout('struct hl_info_razwi_event', NEW_IN_6_1(24), {
  timestamp: f('timestamp', s53, 0, null),
  addr: f('addr', u53, 8, null),
  engineId1: f('engine_id_1', u16, 16, null),
  engineId2: f('engine_id_2', u16, 18, null),
  noEngineId: f('no_engine_id', bool8, 20, null),
  errorType: f('error_type', u8, 21, null),
  pad: f('pad', padding(2), 22, null),
});

export const HL_INFO_UNDEFINED_OPCODE_EVENT = layout('struct hl_info_undefined_opcode_event', NEW_IN_6_1(288), {
  timestamp: f('timestamp', s53, 0, null),
  cbAddrStreams: f('cb_addr_streams', array(array(u53, 8), 4), 8, null),
  cqAddr: f('cq_addr', u53, 264, null),
  cqSize: f('cq_size', u32, 272, null),
  cbAddrStreamsLen: f('cb_addr_streams_len', u32, 276, null),
  engineId: f('engine_id', u32, 280, null),
  streamId: f('stream_id', u32, 284, null),
});

export const HL_INFO_DEV_MEMALLOC_PAGE_SIZES = layout('struct hl_info_dev_memalloc_page_sizes', NEW_IN_6_1(8), {
  pageOrderBitmask: f('page_order_bitmask', u53, 0, null),
});

export const HL_INFO_SEC_ATTEST = layout('struct hl_info_sec_attest', NEW_IN_6_1(3592), {
  nonce: f('nonce', u32, 0, null),
  pcrQuoteLen: f('pcr_quote_len', u16, 4, null),
  pubDataLen: f('pub_data_len', u16, 6, null),
  certificateLen: f('certificate_len', u16, 8, null),
  pcrNumReg: f('pcr_num_reg', u8, 10, null),
  pcrRegLen: f('pcr_reg_len', u8, 11, null),
  quoteSigLen: f('quote_sig_len', u8, 12, null),
  pcrData: f('pcr_data', blob(256), 13, null),
  pcrQuote: f('pcr_quote', blob(510), 269, null),
  quoteSig: f('quote_sig', blob(255), 779, null),
  publicData: f('public_data', blob(510), 1034, null),
  certificate: f('certificate', blob(2046), 1544, null),
  pad0: f('pad0', padding(2), 3590, null),
});

/** Structs that the header has, for the parity test and the documentation. */
export const INFO_STRUCTS: readonly StructLayout[] = [
  HL_INFO_HW_IP_INFO,
  HL_INFO_DRAM_USAGE,
  HL_INFO_HW_IDLE,
  HL_INFO_DEVICE_STATUS,
  HL_INFO_RESET_COUNT,
  HL_INFO_TIME_SYNC,
  HL_INFO_CS_COUNTERS,
  HL_INFO_SYNC_MANAGER,
  HL_OPEN_STATS_INFO,
  HL_INFO_DEVICE_UTILIZATION,
  HL_INFO_CLK_RATE,
  HL_INFO_PCI_COUNTERS,
  HL_INFO_CLK_THROTTLE,
  HL_INFO_ENERGY,
  HL_PLL_FREQUENCY_INFO,
  HL_POWER_INFO,
  HL_INFO_LAST_ERR_OPEN_DEV_TIME,
  HL_INFO_CS_TIMEOUT_EVENT,
  HL_INFO_RAZWI_EVENT,
  HL_INFO_UNDEFINED_OPCODE_EVENT,
  HL_INFO_DEV_MEMALLOC_PAGE_SIZES,
  HL_INFO_SEC_ATTEST,
];

/** One counter an event id: a bare array in C. */
export const HW_EVENT_COUNTERS = layout(`__u32[${NUMBER_OF_EVENTS}]`, NUMBER_OF_EVENTS * 4, {
  counters: f(`[0..${NUMBER_OF_EVENTS - 1}]`, array(u32, NUMBER_OF_EVENTS), 0),
});

/** A bare u64 in C. */
export const EVENT_MASK = layout('__u64', NEW_IN_6_1(8), { events: f('(the value)', u53, 0, null) });

/** A bare u32 in C. */
export const PENDING_ROWS = layout('__u32', NEW_IN_6_1(4), { pendingRows: f('(the value)', u32, 0, null) });

/** The record of the firmware interface, which the user header does not have (uapi.md 2.4). */
export const CPUCP_HBM_ROW_INFO = layout('struct cpucp_hbm_row_info', NEW_IN_6_1(8), {
  hbmIdx: f('hbm_idx', u8, 0, null),
  pc: f('pc', u8, 1, null),
  sid: f('sid', u8, 2, null),
  bankIdx: f('bank_idx', u8, 3, null),
  rowAddr: f('row_addr', u16, 4, null),
  replacedRowCause: f('replaced_row_cause', u8, 6, null),
  pad: f('pad', padding(1), 7, null),
});
