/**
 * What DEBUG reads behind input_ptr (uapi.md 8).
 *
 * Owns: offsets and sizes for both generations. Compared with the C header by c-parity.test.ts.
 * Must not know: what the units do with it.
 */
import { field as f, layout, type StructLayout } from './layout.js';
import { array, padding, u32, u53, u64 } from './scalars.js';

const SINK_FIELDS = {
  bufferAddress: f('buffer_address', u53, 0),
  bufferSize: f('buffer_size', u53, 8),
  sinkMode: f('sink_mode', u32, 16),
  pad: f('pad', padding(4, 4), 20),
} as const;

export const HL_DEBUG_PARAMS_ETR = layout('struct hl_debug_params_etr', 24, SINK_FIELDS);
export const HL_DEBUG_PARAMS_ETF = layout('struct hl_debug_params_etf', 24, SINK_FIELDS);

export const HL_DEBUG_PARAMS_STM = layout('struct hl_debug_params_stm', 24, {
  heMask: f('he_mask', u64, 0),
  spMask: f('sp_mask', u64, 8),
  id: f('id', u32, 16),
  frequency: f('frequency', u32, 20),
});

/** In 2021 it ends with the trace source id. */
export const HL_DEBUG_PARAMS_BMON = layout(
  'struct hl_debug_params_bmon',
  { '6.1': 80, '2021': 48 },
  {
    startAddr0: f('start_addr0', u64, 0),
    addrMask0: f('addr_mask0', u64, 8),
    startAddr1: f('start_addr1', u64, 16),
    addrMask1: f('addr_mask1', u64, 24),
    bwWin: f('bw_win', u32, 32),
    winCapture: f('win_capture', u32, 36),
    id: f('id', u32, 40),
    control: f('control', u32, 44, null),
    startAddr2: f('start_addr2', u64, 48, null),
    endAddr2: f('end_addr2', u64, 56, null),
    startAddr3: f('start_addr3', u64, 64, null),
    endAddr3: f('end_addr3', u64, 72, null),
  },
);

export const HL_DEBUG_PARAMS_SPMU = layout(
  'struct hl_debug_params_spmu',
  { '6.1': 96, '2021': 88 },
  {
    eventTypes: f('event_types', array(u64, 10), 0),
    eventTypesNum: f('event_types_num', u32, 80),
    pmtrcVal: f('pmtrc_val', u32, 84, null),
    trcCtrlHostVal: f('trc_ctrl_host_val', u32, 88, null),
    trcEnHostVal: f('trc_en_host_val', u32, 92, null),
  },
);

export const DEBUG_STRUCTS: readonly StructLayout[] = [
  HL_DEBUG_PARAMS_ETR,
  HL_DEBUG_PARAMS_ETF,
  HL_DEBUG_PARAMS_STM,
  HL_DEBUG_PARAMS_BMON,
  HL_DEBUG_PARAMS_SPMU,
];
