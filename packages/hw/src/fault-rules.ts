/**
 * Rules by which a device goes wrong on purpose, for experiments: which packets count, how many pass unharmed, and what happens to
 * the others. Data only: who arms them and why is the host's business, how they are kept is silicon's.
 */

/**
 * 'page-fault': the packet is not carried out and reported as if its address had no translation. 'hang': the engine makes no more
 * progress until the device is reset. 'delay': the stream waits before the packet. 'lost-interrupt': the completion word of the job
 * is written, but the interrupt is not raised.
 */
export const DEVICE_FAULT_ACTIONS = ['page-fault', 'lost-interrupt', 'delay', 'hang'] as const;
export type DeviceFaultAction = (typeof DEVICE_FAULT_ACTIONS)[number];

/**
 * Every packet counts that the conditions name, once each, before it is carried out. What the driver has put behind a job (MSG_PROT)
 * counts only for a rule with that opcode; a 'lost-interrupt' without opcode and addresses counts interrupts instead of packets.
 * Of several rules about one packet the first that strikes is the only one that does; those behind it do not count the packet.
 */
export interface DeviceFaultRule {
  /** The host's; no two rules have the same. */
  readonly id: number;
  /** null for any. Of a lower command processor, the queue it works for. */
  readonly queue: number | null;
  readonly asids: readonly number[] | null;
  readonly opcode: number | null;
  /** Packets that read, write or signal something in here. */
  readonly addresses: { readonly start: number; readonly length: number } | null;
  /** Matches that pass first, and how many are struck then; null for all. */
  readonly after: number;
  readonly times: number | null;
  /** Chance of a match to be struck, drawn from `seed`: the same seed strikes the same ones again. */
  readonly perMillion: number;
  readonly seed: number;
  readonly action: DeviceFaultAction;
  /** Of 'delay'. */
  readonly delayNs: number;
}

export interface DeviceFaultRuleState {
  readonly id: number;
  readonly matched: number;
  readonly struck: number;
}

/** A rule has struck. */
export interface DeviceFaultHit {
  readonly rule: number;
  readonly asid: number;
  readonly queue: number;
  readonly action: DeviceFaultAction;
}
