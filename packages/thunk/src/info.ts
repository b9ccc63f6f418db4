/**
 * Questions about the device (INFO, uapi.md 2.4). Both nodes answer them; the counters of a context are 0 on the control node.
 *
 * Must not know: what the answers are used for.
 */
import { ENGINES_DATA_MAX_SIZE, type Req, type Res } from '@pedrera/uapi';
import type { Session } from './session.js';
import type { DcoreId } from './sync.js';

export class DeviceInfo {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** What the device is: memory bases and sizes in bytes, ids, masks of engines (uapi.md 2.5). */
  hwIp(): Promise<Res<'INFO_HW_IP_INFO'>> {
    return this.#session.ioctl('INFO_HW_IP_INFO', {});
  }

  /** `status` is one of DEVICE_STATUS (uapi.md 1.6). Answered during a reset too. */
  deviceStatus(): Promise<Res<'INFO_DEVICE_STATUS'>> {
    return this.#session.ioctl('INFO_DEVICE_STATUS', {});
  }

  /** Whether all engines are idle, and which are not: bit n of the mask is engine n (uapi.md 2.8). EBUSY during a reset. */
  idle(): Promise<Res<'INFO_HW_IDLE'>> {
    return this.#session.ioctl('INFO_HW_IDLE', {});
  }

  /** Bytes of HBM: free on the device, and held by this context. EBUSY during a reset. */
  dramUsage(): Promise<Res<'INFO_DRAM_USAGE'>> {
    return this.#session.ioctl('INFO_DRAM_USAGE', {});
  }

  /** Submissions dropped, by reason: of the whole device and of this context. */
  csCounters(): Promise<Res<'INFO_CS_COUNTERS'>> {
    return this.#session.ioctl('INFO_CS_COUNTERS', {});
  }

  /** The first sync object and monitor of a sync manager that this context may use (device.md 4.4). */
  syncManager(dcore: DcoreId): Promise<Res<'INFO_SYNC_MANAGER'>> {
    return this.#session.ioctl('INFO_SYNC_MANAGER', { dcore });
  }

  /** Device time and host time (CLOCK_MONOTONIC_RAW) in nanoseconds, taken together. EBUSY during a reset. */
  timeSync(): Promise<Res<'INFO_TIME_SYNC'>> {
    return this.#session.ioctl('INFO_TIME_SYNC', {});
  }

  /** Resets since the daemon started. */
  resetCount(): Promise<Res<'INFO_RESET_COUNT'>> {
    return this.#session.ioctl('INFO_RESET_COUNT', {});
  }

  /** How often the primary node was opened, and how long the last open lasted. */
  openStats(): Promise<Res<'INFO_OPEN_STATS'>> {
    return this.#session.ioctl('INFO_OPEN_STATS', {});
  }

  /** How often each event came since the last hard reset, by event id. `sinceStart`: since the daemon started (uapi.md 7.5). */
  async hwEvents({ sinceStart = false }: { readonly sinceStart?: boolean } = {}): Promise<readonly number[]> {
    const answer = await this.#session.ioctl(sinceStart ? 'INFO_HW_EVENTS_AGGREGATE' : 'INFO_HW_EVENTS', {});
    return answer.counters;
  }

  /** How busy the device is, in percent, judged by its power. EBUSY during a reset. */
  async utilization(): Promise<number> {
    // The driver ignores the period (uapi.md 2.4).
    return (await this.#session.ioctl('INFO_DEVICE_UTILIZATION', { periodMs: 0 })).utilization;
  }

  /** Clock in MHz: now and at most. This and what follows ask the firmware: EBUSY during a reset, ETIMEDOUT or EIO when it is dead (uapi.md 2.4). */
  clockRate(): Promise<Res<'INFO_CLK_RATE'>> {
    return this.#session.ioctl('INFO_CLK_RATE', {});
  }

  /** Throughput of the PCI link each way, and how often a packet was sent again. */
  pciCounters(): Promise<Res<'INFO_PCI_COUNTERS'>> {
    return this.#session.ioctl('INFO_PCI_COUNTERS', {});
  }

  /** Bits of CLK_THROTTLE in force, and since when and for how long each of them was. */
  throttling(): Promise<Res<'INFO_CLK_THROTTLE_REASON'>> {
    return this.#session.ioctl('INFO_CLK_THROTTLE_REASON', {});
  }

  /** Energy used so far, as the firmware counts it. */
  async totalEnergy(): Promise<Res<'INFO_TOTAL_ENERGY'>['totalEnergyConsumption']> {
    return (await this.#session.ioctl('INFO_TOTAL_ENERGY', {})).totalEnergyConsumption;
  }

  /** MHz of the four outputs of a PLL, one of PLL_INDEX. EINVAL for another. */
  async pllFrequency(pllIndex: Req<'INFO_PLL_FREQUENCY'>['pllIndex']): Promise<readonly number[]> {
    return (await this.#session.ioctl('INFO_PLL_FREQUENCY', { pllIndex })).output;
  }

  /** Milliwatts. */
  async power(): Promise<Res<'INFO_POWER'>['power']> {
    return (await this.#session.ioctl('INFO_POWER', {})).power;
  }

  /** A row of HBM that was replaced by a spare, and why. */
  replacedRows(): Promise<Res<'INFO_DRAM_REPLACED_ROWS'>> {
    return this.#session.ioctl('INFO_DRAM_REPLACED_ROWS', {});
  }

  /** Rows of HBM to be replaced at the next reset. */
  async pendingRows(): Promise<number> {
    return (await this.#session.ioctl('INFO_DRAM_PENDING_ROWS', {})).pendingRows;
  }

  /** When the device was last opened, in nanoseconds of the monotonic clock. */
  async lastOpenNs(): Promise<number> {
    return (await this.#session.ioctl('INFO_LAST_ERR_OPEN_DEV_TIME', {})).timestamp;
  }

  /** The first submission that timed out since the device was opened; undefined when none did. */
  async firstTimeout(): Promise<Res<'INFO_CS_TIMEOUT_EVENT'> | undefined> {
    return happened(await this.#session.ioctl('INFO_CS_TIMEOUT_EVENT', {}));
  }

  /** The first bad access since the device was opened; undefined when there was none (uapi.md 7.6). */
  async firstBadAccess(): Promise<Res<'INFO_RAZWI_EVENT'> | undefined> {
    return happened(await this.#session.ioctl('INFO_RAZWI_EVENT', {}));
  }

  /** The first unknown packet since the device was opened; undefined when there was none (uapi.md 7.6). */
  async firstUndefinedOpcode(): Promise<Res<'INFO_UNDEFINED_OPCODE_EVENT'> | undefined> {
    return happened(await this.#session.ioctl('INFO_UNDEFINED_OPCODE_EVENT', {}));
  }

  /** Page sizes that device memory may be allocated with, in bytes; none on a Gaudi (uapi.md 2.4). */
  async pageSizes(): Promise<readonly number[]> {
    const mask = BigInt((await this.#session.ioctl('INFO_DEV_MEM_ALLOC_PAGE_SIZES', {})).pageOrderBitmask);
    const orders = Array.from({ length: 53 }, (_, order) => order);
    return orders.filter((order) => ((mask >> BigInt(order)) & 1n) !== 0n).map((order) => 2 ** order);
  }

  /** Every engine with its state, as the driver prints it (uapi.md 9.4). EBUSY during a reset. */
  async engineStatus(): Promise<string> {
    const { text } = await this.#session.ioctl('INFO_ENGINE_STATUS', { bufferSize: ENGINES_DATA_MAX_SIZE });
    // The driver counts the end of each piece it prints as a byte of the text.
    return new TextDecoder().decode(text).replaceAll('\0', '');
  }

  /** Bits of NOTIFIER_EVENT since the last call, which clears them. `Device.events()` waits for them and must not be mixed with this. */
  async takeEvents(): Promise<number> {
    return (await this.#session.ioctl('INFO_GET_EVENTS', {})).events;
  }
}

/** A record nothing was written to has no time. */
function happened<T extends { readonly timestamp: number }>(record: T): T | undefined {
  return record.timestamp === 0 ? undefined : record;
}
