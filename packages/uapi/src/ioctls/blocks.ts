/** The arg blocks of the driver's ioctl numbers (uapi.md 2.1) and of the importer node's (uapi.md 6.6). */
import type { ArgBlock } from '../ioctl.js';
import {
  HL_CB_IN,
  HL_CB_OUT,
  HL_CS_IN,
  HL_CS_OUT,
  HL_DEBUG_ARGS,
  HL_INFO_ARGS,
  HL_MEM_IN,
  HL_MEM_OUT,
  HL_WAIT_CS_IN,
  HL_WAIT_CS_OUT,
} from '../structs.js';
import {
  HL_IMPORTER_DEREG,
  HL_IMPORTER_READ,
  HL_IMPORTER_REG_IN,
  HL_IMPORTER_REG_OUT,
  HL_IMPORTER_WRITE,
} from '../structs-importer.js';

export const NR = { INFO: 1, CB: 2, CS: 3, WAIT_CS: 4, MEMORY: 5, DEBUG: 6 } as const;
/** Numbers of the importer node: its magic is 'I', which is family 1 (see numberIn). */
export const IMPORTER_NR = { REG_MR: 0x101, DEREG_MR: 0x102, WRITE_MR: 0x103, READ_MR: 0x104 } as const;
/** This project's own calls; the driver will never use these numbers. */
export const OWN_NR = {
  SESSION: 0x80,
  HOST: 0x81,
  SHARING: 0x82,
  INSPECT: 0x83,
  FILES: 0x84,
  INJECT: 0x85,
  DMA_BUF: 0x86,
  SYNC_FILE: 0x87,
  RDMA: 0x88,
  TRACE: 0x89,
} as const;

const same = (size: number): ArgBlock['size'] => ({ '6.1': size, '2021': size });

export const INFO_BLOCK: ArgBlock = {
  c: 'struct hl_info_args',
  macro: 'HL_IOCTL_INFO',
  in: HL_INFO_ARGS,
  size: same(24),
};
export const CB_BLOCK: ArgBlock = {
  c: 'union hl_cb_args',
  macro: 'HL_IOCTL_CB',
  in: HL_CB_IN,
  out: HL_CB_OUT,
  size: same(24),
};
export const CS_BLOCK: ArgBlock = {
  c: 'union hl_cs_args',
  macro: 'HL_IOCTL_CS',
  in: HL_CS_IN,
  out: HL_CS_OUT,
  size: same(48),
};
export const WAIT_BLOCK: ArgBlock = {
  c: 'union hl_wait_cs_args',
  macro: 'HL_IOCTL_WAIT_CS',
  in: HL_WAIT_CS_IN,
  out: HL_WAIT_CS_OUT,
  size: { '6.1': 56, '2021': 24 },
};
export const MEMORY_BLOCK: ArgBlock = {
  c: 'union hl_mem_args',
  macro: 'HL_IOCTL_MEMORY',
  in: HL_MEM_IN,
  out: HL_MEM_OUT,
  size: same(40),
};
export const DEBUG_BLOCK: ArgBlock = {
  c: 'struct hl_debug_args',
  macro: 'HL_IOCTL_DEBUG',
  in: HL_DEBUG_ARGS,
  size: same(40),
};

export const IMPORTER_REG_BLOCK: ArgBlock = {
  c: 'union hl_importer_reg_dmabuf_mr_args',
  macro: 'HL_IMPORTER_IOCTL_REG_DMABUF_MR',
  in: HL_IMPORTER_REG_IN,
  out: HL_IMPORTER_REG_OUT,
  size: same(64),
};
export const IMPORTER_DEREG_BLOCK: ArgBlock = {
  c: 'struct hl_importer_dereg_mr_args',
  macro: 'HL_IMPORTER_IOCTL_DEREG_MR',
  in: HL_IMPORTER_DEREG,
  size: same(32),
};
export const IMPORTER_WRITE_BLOCK: ArgBlock = {
  c: 'struct hl_importer_write_to_mr_args',
  macro: 'HL_IMPORTER_IOCTL_WRITE_TO_MR',
  in: HL_IMPORTER_WRITE,
  size: same(32),
};
export const IMPORTER_READ_BLOCK: ArgBlock = {
  c: 'struct hl_importer_read_from_mr_args',
  macro: 'HL_IMPORTER_IOCTL_READ_FROM_MR',
  in: HL_IMPORTER_READ,
  size: same(32),
};

export const BLOCK_BY_NR: ReadonlyMap<number, ArgBlock> = new Map<number, ArgBlock>([
  [NR.INFO, INFO_BLOCK],
  [NR.CB, CB_BLOCK],
  [NR.CS, CS_BLOCK],
  [NR.WAIT_CS, WAIT_BLOCK],
  [NR.MEMORY, MEMORY_BLOCK],
  [NR.DEBUG, DEBUG_BLOCK],
  [IMPORTER_NR.REG_MR, IMPORTER_REG_BLOCK],
  [IMPORTER_NR.DEREG_MR, IMPORTER_DEREG_BLOCK],
  [IMPORTER_NR.WRITE_MR, IMPORTER_WRITE_BLOCK],
  [IMPORTER_NR.READ_MR, IMPORTER_READ_BLOCK],
]);
