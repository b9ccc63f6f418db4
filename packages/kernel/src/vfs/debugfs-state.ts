/**
 * What the debugfs of one device remembers between a write and a read.
 *
 * Owns: the values that exist for debugfs alone. Everything else its files show belongs to the device.
 */

export const POWER_STATE = { D0: 1, D3_HOT: 2 } as const;

export class DebugState {
  /** Of data32, data64 and dma_size. */
  address = 0n;
  /** What dma_size read last. */
  dmaBlob: Uint8Array = new Uint8Array(0);
  /** What monitor_dump_trig read last. */
  monitorDump: Uint8Array = new Uint8Array(0);
  powerState: number = POWER_STATE.D0;
  /** Of userptr_lookup. */
  userAddress = 0n;
  /** Of mmu. */
  mmuQuery: { asid: number; address: number } | undefined;
  /** Of mmu_error: the MMUs whose captured errors a read acknowledges. */
  mmuMask = 0n;
  readonly i2c = { bus: 0, addr: 0, reg: 0, len: 0 };
}
