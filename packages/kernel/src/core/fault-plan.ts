/**
 * Rules of failure that wait for their moment (INJECT_ARM).
 *
 * Owns: the rules of the whole machine, when one strikes, what that does. Packets are matched by the devices, which are told
 * the rules for them. Must not know how a call is dispatched.
 */
import { ERRNO, type ErrnoCode, errno, type HlError } from '@pedrera/base';
import {
  CERTAIN,
  DEVICE_FAULT_ACTIONS,
  type DeviceFaultAction,
  type DeviceFaultRule,
  FaultCounter,
  type FaultLimits,
  PACKETS,
  type PacketName,
  QUEUE_COUNT,
  queueName,
} from '@pedrera/hw';
import { type FaultRuleState, type Req, TABLE } from '@pedrera/uapi';
import type { HlDevice } from './device.js';
import type { EventLog } from './event-log.js';
import { type InjectKind, inject } from './inject.js';

type ArmRequest = Req<'INJECT_ARM'>;

const MAX_RULES = 64;
/** A stream that is held up for longer looks like one that hangs. */
const MAX_DELAY_NS = 3600e9;

/** Calls by which one looks and mends; a rule that struck them could not be found or cleared. */
const EXEMPT = /^(HELLO|SIDE_CHANNEL|INSPECT|INJECT|TRACE)/;
/** What a rule without a name of a call means: whatever opens, makes, maps or submits. */
const USUAL = /^(OPEN$|CB_CREATE|CS|MEMORY_(ALLOC|MAP)|HOST_ALLOC|DMABUF_(EXPORT|IMPORT|ATTACH|MAP))/;

interface Rule {
  readonly id: number;
  readonly request: ArmRequest;
  readonly limits: FaultLimits;
  /** Of calls; packets are counted by the devices. */
  readonly counter: FaultCounter;
}

export class FaultPlan {
  readonly #devices: readonly HlDevice[];
  readonly #log: EventLog;
  readonly #rules = new Map<number, Rule>();
  #lastId = 0;
  #onCall: Rule[] = [];

  constructor(devices: readonly HlDevice[], log: EventLog) {
    this.#devices = devices;
    this.#log = log;
  }

  get size(): number {
    return this.#rules.size;
  }

  /** Whether a call has to be looked at; what dispatch asks before each. */
  get watchesCalls(): boolean {
    return this.#onCall.length > 0;
  }

  /** Returns the rule's number. Errors: ENXIO, EINVAL, ENOSPC. */
  arm(request: ArmRequest): number {
    this.#check(request);
    if (this.#rules.size >= MAX_RULES) {
      throw errno('ENOSPC', `${MAX_RULES} rules are armed, and no more are kept; clear some first`);
    }
    const id = ++this.#lastId;
    const { after, times, perMillion, seed } = request;
    const limits = { after, times: times === 0 ? null : times, perMillion };
    this.#rules.set(id, { id, request, limits, counter: new FaultCounter(seed) });
    this.#changed();
    return id;
  }

  /** Returns how many are gone. Errors: ENOENT. */
  clear(id: number): number {
    const cleared = id === 0 ? this.#rules.size : Number(this.#rules.delete(id));
    if (id === 0) {
      this.#rules.clear();
    } else if (cleared === 0) {
      throw errno('ENOENT', `there is no rule ${id}`);
    }
    this.#changed();
    return cleared;
  }

  async list(): Promise<FaultRuleState[]> {
    const snapshots = await Promise.all(this.#devices.map((device) => device.hardware.snapshot()));
    return [...this.#rules.values()].map((rule) => {
      const counts = snapshots.flatMap(({ faultRules }) => faultRules.filter(({ id }) => id === rule.id));
      const sum = (field: 'matched' | 'struck') => counts.reduce((all, own) => all + own[field], rule.counter[field]);
      return stateOf(rule, sum('matched'), sum('struck'));
    });
  }

  /** A call is about to be handled. Throws what a rule makes of it, or does to a device what one says, and lets it pass. */
  call(name: string, pid: number, device: HlDevice | undefined): void {
    for (const rule of this.#onCall) {
      const { request, limits, counter } = rule;
      const matches =
        (request.call === '' ? USUAL.test(name) : request.call === name) &&
        (request.pid === 0 || request.pid === pid) &&
        (request.device < 0 || request.device === device?.index);
      if (matches && counter.strikes(limits)) {
        const about = { pid, device: device?.index };
        this.#log.add({ kind: 'inject', severity: 'warning', ...about, text: `rule ${rule.id} struck ${name}` });
        if (request.action === 'errno') {
          throw planned(rule, name);
        }
        this.#strike(rule, device);
      }
    }
  }

  /** A process got or lost a context: rules for one process name its contexts. */
  contextsChanged(device: HlDevice): void {
    for (const { request } of this.#rules.values()) {
      if (request.on === 'packet' && request.pid !== 0) {
        this.#tell(device);
        return;
      }
    }
  }

  #strike({ id, request }: Rule, of: HlDevice | undefined): void {
    const device = this.#devices[request.device] ?? of ?? this.#devices[0];
    const { action, target, value } = request;
    if (device === undefined) {
      return;
    }
    inject(device, { kind: action as InjectKind, target, value }).catch((error: unknown) =>
      device.log.error({ device: device.index, rule: id, err: error }, 'a rule of failure could not be carried out'),
    );
  }

  #changed(): void {
    this.#onCall = [...this.#rules.values()].filter(({ request }) => request.on === 'call');
    for (const device of this.#devices) {
      this.#tell(device);
    }
  }

  #tell(device: HlDevice): void {
    const rules: DeviceFaultRule[] = [];
    for (const { id, request, limits } of this.#rules.values()) {
      const { device: index, queue, opcode, pid, address, length, seed, value } = request;
      if (request.on !== 'packet' || (index >= 0 && index !== device.index)) {
        continue;
      }
      rules.push({
        id,
        queue: queue < 0 ? null : queue,
        asids: pid === 0 ? null : [...device.contexts].filter((context) => context.pid === pid).map(({ asid }) => asid),
        opcode: opcode === '' ? null : (opcodeOf(opcode) ?? null),
        addresses: length === 0 ? null : { start: address, length },
        ...limits,
        seed,
        action: request.action as DeviceFaultAction,
        delayNs: value,
      });
    }
    device.hardware.setFaultRules(rules);
  }

  #check(request: ArmRequest): void {
    const { device, perMillion } = request;
    if (device >= this.#devices.length) {
      throw errno('ENXIO', `there is no device ${device}; this machine has ${this.#devices.length}`);
    }
    if (request.on === 'call') {
      checkCallRule(request);
    } else {
      checkPacketRule(request);
    }
    if (!(perMillion >= 1 && perMillion <= CERTAIN)) {
      throw errno('EINVAL', `a chance of ${perMillion} in a million; 1 to ${CERTAIN} are possible`);
    }
  }
}

function planned({ id, counter, request }: Rule, name: string): HlError {
  const text = `rule ${id} of \`pedrera inject\` made ${name} number ${counter.matched} fail`;
  return errno(request.target as ErrnoCode, text);
}

function checkCallRule({ call, queue, opcode, length, action, target }: ArmRequest): void {
  if (call !== '' && (!Object.hasOwn(TABLE, call) || EXEMPT.test(call))) {
    throw errno(
      'EINVAL',
      `${JSON.stringify(call)} is no call that can be made to fail; names are those of docs/uapi.md`,
    );
  }
  if (queue >= 0 || opcode !== '' || length !== 0) {
    throw errno('EINVAL', 'queue, opcode and addresses belong to rules for packets, and this one is for calls');
  }
  if ((DEVICE_FAULT_ACTIONS as readonly string[]).includes(action) && action !== 'hang') {
    throw errno('EINVAL', `${action} happens to packets, not to calls`);
  }
  if (action === 'errno' && !Object.hasOwn(ERRNO, target)) {
    throw errno('EINVAL', `${JSON.stringify(target)} is no errno the calls know; names look like ENOMEM`);
  }
}

function checkPacketRule({ call, queue, opcode, address, length, action, value }: ArmRequest): void {
  if (call !== '') {
    throw errno('EINVAL', `${call} is a call, and this rule is for packets`);
  }
  if (queue >= QUEUE_COUNT) {
    throw errno('EINVAL', `there is no queue ${queue}; they are 0 to ${QUEUE_COUNT - 1}`);
  }
  if (opcode !== '' && opcodeOf(opcode) === undefined) {
    throw errno('EINVAL', `no packet is called ${JSON.stringify(opcode)}; names look like LIN_DMA`);
  }
  if (!Number.isSafeInteger(address + length)) {
    throw errno('EINVAL', `no address is as high as 0x${address.toString(16)} + 0x${length.toString(16)}`);
  }
  if (!(DEVICE_FAULT_ACTIONS as readonly string[]).includes(action)) {
    throw errno('EINVAL', `${action} happens to calls and devices, not to packets`);
  }
  if (action === 'delay' && !(value > 0 && value <= MAX_DELAY_NS)) {
    throw errno('EINVAL', `a delay of ${value} ns; 1 to ${MAX_DELAY_NS} are possible`);
  }
}

function opcodeOf(name: string): number | undefined {
  return Object.hasOwn(PACKETS, name) ? PACKETS[name as PacketName].opcode : undefined;
}

function stateOf({ id, request, limits }: Rule, matched: number, struck: number): FaultRuleState {
  const { on, device, pid, call, queue, opcode, address, length, seed } = request;
  return {
    id,
    on,
    device: device < 0 ? null : device,
    pid: pid === 0 ? null : pid,
    call: call === '' ? null : call,
    queue: queue < 0 ? null : queueName(queue),
    opcode: opcode === '' ? null : opcode,
    addresses: length === 0 ? null : { start: address, length },
    ...limits,
    seed,
    action: request.action,
    target: request.target,
    value: request.value,
    matched,
    struck,
  };
}
