/**
 * Faults on purpose: what a test or a person makes a device do.
 *
 * Owns: the meaning of each kind and its targets. Every kind goes the way the real thing would: the silicon hangs, the
 * device CPU halts, the event is raised. Must not know who asked.
 */
import { errno } from '@pedrera/base';
import {
  ARM_RST_CONTROL,
  ENGINES,
  EVENT,
  EVENT_COUNT,
  EVENTS,
  type EventClass,
  eventByName,
  eventName,
  KMD_MSG_TO_CPU,
  nicStatusEvent,
  QUEUES,
} from '@pedrera/hw';
import type { HlDevice } from './device.js';

export type InjectKind = 'hang' | 'event' | 'heartbeat' | 'thermal' | 'power' | 'ecc' | 'link' | 'reset';

export interface Injection {
  readonly kind: InjectKind;
  readonly target: string;
  readonly value: number;
}

const NIC_PORTS = 10;
/** Names of memory blocks people use, beside the event's own without its _SERR. */
const ECC_NAMES: readonly ((kind: string) => string)[] = [
  (block) => `${block}_`,
  (block) => `${block.replace(/^HBM/, 'HBM_')}_`,
  (block) => `${block}_ACC_`,
  (block) => `${block}_CORE_`,
  (block) => `${block}_MEM_`,
  (block) => `${block}_ECC_`,
];

/** Does it, and says in one sentence what was done. Errors: EINVAL for a target or a value the kind does not know. */
export async function inject(device: HlDevice, { kind, target, value }: Injection): Promise<string> {
  const name = `hl${device.index}`;
  switch (kind) {
    case 'hang': {
      const engine = ENGINES.find((known) => known === target.toUpperCase());
      if (engine === undefined || !QUEUES.some((queue) => queue.engine === engine)) {
        throw errno(
          'EINVAL',
          `no queue of a device runs on an engine ${JSON.stringify(target)}; engines are DMA0 to NIC9`,
        );
      }
      device.hardware.hangEngine(engine);
      return `${engine} of ${name} makes no more progress until a reset.`;
    }
    case 'event': {
      const id = eventId(target);
      device.raiseEvent(id, { cause: value, detail: 'injected' });
      return `Event ${id} (${eventName(id)}) was raised on ${name} with cause 0x${value.toString(16)}.`;
    }
    case 'heartbeat':
      // As a debugger would halt it (device.md 8.4).
      await device.hardware.writeRegister(KMD_MSG_TO_CPU, 1);
      await device.hardware.writeRegister(ARM_RST_CONTROL, 0);
      return `The CPU of ${name} is halted; the next heartbeat will miss it.`;
    case 'thermal':
      return throttle(device, target, [EVENT.FIX_THERMAL_ENV_S, EVENT.FIX_THERMAL_ENV_E]);
    case 'power':
      return throttle(device, target, [EVENT.FIX_POWER_ENV_S, EVENT.FIX_POWER_ENV_E]);
    case 'ecc': {
      if (value !== 0 && value !== 1) {
        throw errno('EINVAL', `${value} is neither 0, a single-bit error, nor 1, a double-bit error`);
      }
      const id = eccEvent(target, value === 1 ? 'ecc-double' : 'ecc-single');
      device.raiseEvent(id, { detail: 'injected' });
      return `A ${value === 1 ? 'double' : 'single'}-bit error was reported by ${target} of ${name} (event ${id}).`;
    }
    case 'link':
      return link(device, target, value);
    case 'reset':
      device.requestReset({ kind: 'inject' });
      return `${name} is being reset.`;
  }
}

function throttle(device: HlDevice, target: string, [start, end]: readonly [number, number]): string {
  if (target !== 'start' && target !== 'end') {
    throw errno('EINVAL', `${JSON.stringify(target)} is neither start nor end`);
  }
  const id = target === 'start' ? start : end;
  device.raiseEvent(id, { detail: 'injected' });
  return `Throttling of hl${device.index} ${target === 'start' ? 'began' : 'ended'} (event ${id}, ${eventName(id)}).`;
}

function link(device: HlDevice, target: string, value: number): string {
  const port = /^(?:NIC)?([0-9])$/i.exec(target)?.[1];
  if (port === undefined) {
    throw errno('EINVAL', `${JSON.stringify(target)} is no NIC port; ports are 0 to ${NIC_PORTS - 1}`);
  }
  if (value !== 0 && value !== 1) {
    throw errno('EINVAL', `${value} is neither 0, down, nor 1, up`);
  }
  const bit = 1 << Number(port);
  device.linksDown = value === 0 ? device.linksDown | bit : device.linksDown & ~bit;
  const id = nicStatusEvent(Number(port));
  device.raiseEvent(id, { detail: `port ${port} is ${value === 0 ? 'down' : 'up'}` });
  return `NIC port ${port} of hl${device.index} is ${value === 0 ? 'down' : 'up'} (event ${id}).`;
}

function eventId(target: string): number {
  const named = eventByName(target.toUpperCase());
  if (named !== undefined) {
    return named.id;
  }
  const id = /^[0-9]{1,4}$/.test(target) ? Number(target) : Number.NaN;
  if (!(id < EVENT_COUNT)) {
    throw errno('EINVAL', `${JSON.stringify(target)} is neither an event's name nor a number below ${EVENT_COUNT}`);
  }
  return id;
}

function eccEvent(target: string, wanted: Extract<EventClass, `ecc-${string}`>): number {
  const block = target.toUpperCase();
  for (const spell of ECC_NAMES) {
    const prefix = spell(block);
    for (const event of EVENTS.values()) {
      if (event.class === wanted && event.name.startsWith(prefix)) {
        return event.id;
      }
    }
  }
  throw errno('EINVAL', `no memory block is called ${JSON.stringify(target)}; some are HBM0, SRAM3, TPC2, DMA1, MMU`);
}
