/**
 * For tests: snapshots of situations, put together stream by stream.
 *
 * Owns: rows that fit together as the daemon's do. Must not know: what is made of them.
 */
import { queueByName } from '@pedrera/hw';
import type {
  AwaitedMonitor,
  CallState,
  ClientState,
  DeviceSection,
  EngineSection,
  ProducersOfObject,
  QueueState,
  Snapshot,
  SubmissionState,
} from '@pedrera/uapi';
import { NO_TIMES } from '../inspect/engine-times.js';
import { DAEMON, NO_COUNTERS } from './rows.js';

/** Who: every process has one context, whose ASID is its pid less 4700. */
export interface Who {
  readonly pid: number;
  readonly device: number;
  /** Without it one that goes with the pid: for a process that has one file. */
  readonly asid?: number;
}

function asidOf({ pid, asid = pid - 4700 }: Who): number {
  return asid;
}

export class Scene {
  readonly snapshot = {
    schema: 'pedrera.snapshot/1',
    timeNs: 1e9,
    daemon: { ...DAEMON },
    devices: [] as DeviceSection[],
    engines: [] as EngineSection[],
    clients: [] as ClientState[],
    queues: [
      { index: 0, queues: [] as QueueState[] },
      { index: 1, queues: [] as QueueState[] },
    ],
    submissions: [] as SubmissionState[],
    calls: [] as CallState[],
    sync: [
      { device: 0, objects: [], monitors: [], leases: [] },
      { device: 1, objects: [], monitors: [], leases: [] },
    ],
    producers: [] as ProducersOfObject[],
  } satisfies Snapshot;

  client({ pid, device }: Who, program: string, more: Partial<ClientState> = {}): Who {
    this.snapshot.clients.push({
      client: this.snapshot.clients.length + 1,
      pid,
      program,
      node: `hl${device}`,
      device,
      asid: asidOf({ pid, device }),
      memory: { hbmBytes: 0, hostBytes: 0, mappedBytes: 0 },
      handles: { commandBuffers: 1, hostBuffers: 0, dmaBufs: 0 },
      inFlight: 0,
      submitted: 0,
      faults: 0,
      requests: 5,
      connectedMs: 20_000,
      ...more,
    });
    this.snapshot.daemon.clients++;
    return { pid, device };
  }

  submission(who: Who, seq: number, queue: string, more: Partial<SubmissionState> = {}): void {
    this.snapshot.submissions.push({
      ...who,
      asid: asidOf(who),
      seq,
      type: 'default',
      staged: false,
      state: 'running',
      jobs: [{ queue, state: 'queued', bytes: 64 }],
      jobsLeft: 1,
      waiters: 0,
      ageMs: 12_400,
      timeoutLeftMs: null,
      finishedMs: null,
      error: null,
      detail: null,
      fences: [],
      ...more,
    });
  }

  /** A stream with work, at a fence unless `more` says otherwise. */
  queue(who: Who, name: string, monitors: AwaitedMonitor[], more: Partial<QueueState> = {}): void {
    const rows = this.snapshot.queues[who.device]?.queues as QueueState[];
    rows.push({
      id: queueByName(name)?.id ?? 0,
      name,
      kind: 'external',
      pi: 1,
      ci: 0,
      pending: 0,
      inFlight: 1,
      completed: 0,
      head: { opcode: 8, name: 'FENCE', text: 'FENCE 0 waits for 1, takes 1' },
      blockedOn: { fence: { id: 0, target: 1, value: 0 }, monitors, reason: '' },
      pid: who.pid,
      asid: asidOf(who),
      oldestMs: 12_400,
      ...more,
    });
  }

  /** A process in a call that waits for one of its submissions. */
  waits(who: Who, program: string, seq: number): void {
    this.call(who, program, { kind: 'submissions', any: false, submissions: [{ ...who, asid: asidOf(who), seq }] });
  }

  call({ pid, device }: Who, program: string, on: CallState['on']): void {
    const node = `hl${device}`;
    this.snapshot.calls.push({
      client: this.snapshot.calls.length,
      pid,
      program,
      node,
      call: 'WAIT_CS',
      ageMs: 12_300,
      timeoutLeftMs: null,
      on,
    });
  }

  signallers(device: number, sob: number, more: Partial<ProducersOfObject>): void {
    const target = { kind: 'sob', dcore: 'E_N', sob } as const;
    this.snapshot.producers.push({
      device,
      target,
      packets: [],
      monitors: [],
      holders: [],
      unread: [],
      cut: false,
      ...more,
    });
  }

  packet(
    who: Who,
    seq: number,
    queue: string,
    sob: number,
    more: { ahead?: number; adds?: number | null; sets?: number | null } = {},
  ) {
    return { ...who, asid: asidOf(who), seq, queue, ahead: 0, text: `MSG_SHORT SOB E_N ${sob} +1`, adds: 1, ...more };
  }

  holder(who: Who, program: string, role: 'owner' | 'importer', endedMs: number | null = null) {
    return { ...who, asid: asidOf(who), program, role, alive: endedMs === null, endedMs };
  }

  engine(device: number, name: string, more: Partial<EngineSection> = {}): void {
    this.snapshot.engines.push({ device, name, busy: false, hung: false, times: NO_TIMES, contexts: [], ...more });
  }

  device(index: number, more: Partial<DeviceSection> = {}): void {
    this.snapshot.devices.push({
      index,
      name: 'gaudi',
      status: 'operational',
      lastReset: null,
      contexts: 1,
      pciAddress: `0000:0${index}:00.0`,
      serial: 'S',
      uuid: 'U',
      firmware: '1',
      hbm: { total: 32 * 2 ** 30, used: 0 },
      sram: { size: 20 * 2 ** 20, leased: 0 },
      resets: { hard: 0, soft: 0 },
      temperatureC: 40,
      powerMw: 100_000,
      maxPowerMw: 350_000,
      clockMhz: 2000,
      maxClockMhz: 2000,
      utilizationPercent: 0,
      ports: { total: 10, down: 0 },
      counters: NO_COUNTERS,
      ...more,
    });
  }

  monitor(monitor: number, sob: number, value: number, awaited: number): AwaitedMonitor {
    return {
      dcore: 'E_N',
      monitor,
      mode: '>=',
      awaited,
      objects: [{ sob, value, awaited, address: 0x7f_fc4f_2000 + 4 * sob }],
    };
  }
}
