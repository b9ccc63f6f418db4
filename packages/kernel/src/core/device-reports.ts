/**
 * What the hardware reports, on its way to whom it concerns: completions to contexts, faults to contexts, events and logs.
 *
 * Owns: what is counted and logged on the way. Must not know what a context or an event makes of it.
 */
import { type DeviceFaultHit, type FaultRecord, type InterruptSink, packetByOpcode, queueName } from '@pedrera/hw';
import type { HlDevice } from './device.js';
import { faultingPacket } from './fault-packet.js';

/** A burst of faults says nothing after the first few; they are counted, not all logged. */
const LOGGED_FAULTS_PER_CONTEXT = 8;

export class DeviceReports implements InterruptSink {
  /** Since the device exists. */
  interrupts = 0;
  readonly #device: HlDevice;

  constructor(device: HlDevice) {
    this.#device = device;
  }

  /** The vector is the queue (device.md 2.7). */
  msi(asid: number, vector: number): void {
    this.interrupts++;
    this.#device.contexts.get(asid)?.onInterrupt(vector);
  }

  fault(fault: FaultRecord): void {
    const { contexts, events, log, eventLog, index: device } = this.#device;
    const context = contexts.get(fault.asid);
    if (context === undefined) {
      return;
    }
    const { address, asid, ringSlot } = fault;
    const queue = queueName(fault.queue);
    const packet = packetByOpcode(fault.opcode)?.name ?? 'a monitor payload';
    const text = `${fault.cause} at 0x${address.toString(16)}, ${packet} on ${queue}`;
    const report = { queue: fault.queue, address, ringSlot: ringSlot < 0 ? undefined : ringSlot, text };
    const seq = context.onFault(report)?.seq;
    events.fault(fault, context, text);
    if (context.faults <= LOGGED_FAULTS_PER_CONTEXT) {
      const { pid } = context;
      log.warn({ device, asid, pid }, text);
      const place = faultingPacket(context, fault);
      const told = place === undefined ? text : `${text}; ${place}`;
      eventLog.add({ kind: 'fault', severity: 'error', device, asid, pid, queue, seq, text: told });
    }
  }

  /** A rule of INJECT_ARM struck a packet. */
  faultHit({ rule, asid, queue: id, action }: DeviceFaultHit): void {
    const { contexts, eventLog, index: device } = this.#device;
    const queue = queueName(id);
    const about = { device, asid, pid: contexts.get(asid)?.pid, queue };
    eventLog.add({ kind: 'inject', severity: 'warning', ...about, text: `rule ${rule}: ${action} on ${queue}` });
  }
}
