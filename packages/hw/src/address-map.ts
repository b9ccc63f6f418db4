/**
 * The device's address map: which address means which part of the machine (device.md 1.1, uapi.md 5.5).
 * Owns constants and pure helpers only. Knows nothing of contexts, rights or translations.
 * Addresses are doubles: every one the device can decode stays below 2^53.
 */

export const HBM_BASE = 0;
export const HBM_SIZE = 0x8_0000_0000;
/** HBM is handed around in banks, because a typed array must stay small enough for every JavaScript engine. */
export const HBM_BANK_SIZE = 2 ** 30;
export const HBM_BANK_COUNT = HBM_SIZE / HBM_BANK_SIZE;

/** HBM below this belongs to the driver (firmware image, page tables); users are stopped there. */
export const DRAM_USER_BASE = 0x2000_0000;
export const DRAM_USER_END = HBM_SIZE;
export const DRAM_USER_SIZE = DRAM_USER_END - DRAM_USER_BASE;
export const DRAM_PAGE_SIZE = 0x20_0000;

export const SRAM_BASE = 0x7f_f000_0000;
export const SRAM_SIZE = 0x140_0000;
export const SRAM_END = SRAM_BASE + SRAM_SIZE;
/** The first bytes of SRAM are the driver's; users may read, not write them. */
export const SRAM_USER_BASE = SRAM_BASE + 0x80;
export const SRAM_USER_SIZE = SRAM_SIZE - 0x80;

export const SPI_FLASH_BASE = 0x7f_f800_0000;
export const SPI_FLASH_SIZE = 0x200_0000;
export const PSOC_SCRATCHPAD_BASE = 0x7f_fbfe_0000;
export const PSOC_SCRATCHPAD_SIZE = 0x1_0000;
export const PCIE_FW_SRAM_BASE = 0x7f_fbff_0000;
export const PCIE_FW_SRAM_SIZE = 0x8000;

/** All registers. A register is named by its offset from here. */
export const CFG_BASE = 0x7f_fc00_0000;
export const CFG_SIZE = 0x400_0000;
export const CFG_END = CFG_BASE + CFG_SIZE;

/** With the MMU bypassed (driver accesses only) a device address in this window is a bus address plus this base. */
export const HOST_WINDOW_BASE = 0x80_0000_0000;
export const HOST_WINDOW_SIZE = 0x1_0000_0000_0000;

/** Host virtual range of a context; END is exclusive. The driver itself takes HOST_VA_DRIVER_SIZE at its start. */
export const HOST_VA_BASE = 0x1_0000_0000_0000;
export const HOST_VA_END = 0x2_7fbf_ffff_f000;
export const HOST_VA_DRIVER_SIZE = 0x20_0000;
export const HOST_VA_USER_BASE = HOST_VA_BASE + HOST_VA_DRIVER_SIZE;

/** Device-memory virtual range; END is exclusive. */
export const DRAM_VA_BASE = 0x2_7fc0_0000_0000;
export const DRAM_VA_END = 0x3_ff80_0000_0000;

export const PAGE_SIZE_4K = 0x1000;
export const PAGE_SIZE_2M = 0x20_0000;

/** Address-space identifiers: 0 is the driver's, users get 1..ASID_MAX. */
export const ASID_COUNT = 1024;
export const ASID_MAX = ASID_COUNT - 1;

export type AddressClass =
  | 'hbm-driver'
  | 'hbm'
  | 'sram'
  | 'spi-flash'
  | 'scratchpad'
  | 'fw-sram'
  | 'cfg'
  | 'host-va'
  | 'dram-va'
  | 'unmapped-va'
  | 'hole';

interface Range {
  readonly kind: AddressClass;
  readonly from: number;
  readonly to: number;
}

const RANGES: readonly Range[] = [
  { kind: 'hbm-driver', from: HBM_BASE, to: DRAM_USER_BASE },
  { kind: 'hbm', from: DRAM_USER_BASE, to: DRAM_USER_END },
  { kind: 'sram', from: SRAM_BASE, to: SRAM_END },
  { kind: 'spi-flash', from: SPI_FLASH_BASE, to: SPI_FLASH_BASE + SPI_FLASH_SIZE },
  { kind: 'scratchpad', from: PSOC_SCRATCHPAD_BASE, to: PSOC_SCRATCHPAD_BASE + PSOC_SCRATCHPAD_SIZE },
  { kind: 'fw-sram', from: PCIE_FW_SRAM_BASE, to: PCIE_FW_SRAM_BASE + PCIE_FW_SRAM_SIZE },
  { kind: 'cfg', from: CFG_BASE, to: CFG_END },
  { kind: 'host-va', from: HOST_VA_BASE, to: HOST_VA_END },
  { kind: 'dram-va', from: DRAM_VA_BASE, to: DRAM_VA_END },
];

/**
 * Says what a user's address names. An address above the physical part that lies in no range is one the MMU would have to
 * translate and cannot ('unmapped-va': a raw client pointer, for one); below it, it is a 'hole' of the physical map.
 */
export function classifyAddress(address: number): AddressClass {
  for (const range of RANGES) if (address >= range.from && address < range.to) return range.kind;
  return address >= HOST_WINDOW_BASE ? 'unmapped-va' : 'hole';
}

export function formatAddress(address: number): string {
  return `0x${address.toString(16)}`;
}
