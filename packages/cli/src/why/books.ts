/**
 * A snapshot, looked up by what things are called.
 *
 * Owns: the indexes. Must not know: what waits for what.
 */
import { queueByName } from '@pedrera/hw';
import type {
  CallState,
  DeviceSection,
  ProducersOfObject,
  QueueState,
  Snapshot,
  SubmissionName,
  SubmissionState,
  SyncSection,
} from '@pedrera/uapi';
import { isUnfinished } from '../inspect/waits.js';

type MonitorRow = SyncSection['monitors'][number];
export type Holder = ProducersOfObject['holders'][number];

export class Books {
  readonly snapshot: Snapshot;
  readonly #submissions = new Map<string, SubmissionState>();
  readonly #byQueue = new Map<string, SubmissionState[]>();
  readonly #queues = new Map<string, QueueState>();
  readonly #producers = new Map<string, ProducersOfObject>();
  readonly #monitors = new Map<string, MonitorRow>();
  readonly #devices = new Map<number, DeviceSection>();
  readonly #hung = new Set<string>();
  readonly #programs = new Map<number, string>();
  readonly #alive = new Set<number>();
  readonly #calls = new Map<number, number[]>();

  constructor(snapshot: Snapshot) {
    this.snapshot = snapshot;
    for (const device of snapshot.devices ?? []) this.#devices.set(device.index, device);
    for (const { device, name, hung } of snapshot.engines ?? []) if (hung) this.#hung.add(`${device} ${name}`);
    for (const { index, queues } of snapshot.queues ?? []) {
      for (const queue of queues) if (queue.asid !== null) this.#queues.set(key(index, queue.asid, queue.name), queue);
    }
    for (const submission of snapshot.submissions ?? []) this.#addSubmission(submission);
    for (const row of snapshot.producers ?? []) this.#producers.set(targetKey(row.device, row.target), row);
    for (const { device, monitors } of snapshot.sync ?? []) {
      for (const row of monitors) this.#monitors.set(key(device, row.dcore, row.monitor), row);
    }
    this.#addPeople(snapshot);
  }

  #addSubmission(submission: SubmissionState): void {
    const { device, asid, seq, jobs } = submission;
    this.#submissions.set(key(device, asid, seq), submission);
    if (!isUnfinished(submission)) return;
    for (const { queue, state } of jobs) {
      if (state === 'done') continue;
      const at = key(device, asid, queue);
      const behind = this.#byQueue.get(at);
      if (behind === undefined) this.#byQueue.set(at, [submission]);
      else behind.push(submission);
    }
  }

  #addPeople({ clients = [], calls = [], producers = [] }: Snapshot): void {
    for (const { holders } of producers) for (const { pid, program } of holders) this.#programs.set(pid, program);
    for (const { pid, program } of clients) {
      this.#programs.set(pid, program);
      this.#alive.add(pid);
    }
    calls.forEach(({ pid, program, on }, index) => {
      this.#programs.set(pid, program);
      this.#alive.add(pid);
      if (on !== null) this.#calls.set(pid, [...(this.#calls.get(pid) ?? []), index]);
    });
  }

  submission({ device, asid, seq }: Omit<SubmissionName, 'pid'>): SubmissionState | undefined {
    return this.#submissions.get(key(device, asid, seq));
  }

  /** Unfinished submissions with a job on the queue, in the order of the snapshot. */
  onQueue(device: number, asid: number, queue: string): readonly SubmissionState[] {
    return this.#byQueue.get(key(device, asid, queue)) ?? [];
  }

  queue(device: number, asid: number, queue: string): QueueState | undefined {
    return this.#queues.get(key(device, asid, queue));
  }

  producers(device: number, target: ProducersOfObject['target']): ProducersOfObject | undefined {
    return this.#producers.get(targetKey(device, target));
  }

  monitor(device: number, dcore: string, monitor: number): MonitorRow | undefined {
    return this.#monitors.get(key(device, dcore, monitor));
  }

  device(index: number): DeviceSection | undefined {
    return this.#devices.get(index);
  }

  isHung(device: number, queue: string): boolean {
    const engine = queueByName(queue)?.engine;
    return engine !== undefined && this.#hung.has(`${device} ${engine}`);
  }

  /** Fences and sync objects the daemon did not get to. */
  get notSearched(): number {
    return this.snapshot.producersLeft ?? 0;
  }

  /** Numbers of the calls of a process that wait for something. */
  callsOf(pid: number): readonly number[] {
    return this.#calls.get(pid) ?? [];
  }

  call(index: number): CallState | undefined {
    return this.snapshot.calls?.[index];
  }

  isAlive(pid: number): boolean {
    return this.#alive.has(pid);
  }

  program(pid: number): string {
    return this.#programs.get(pid) ?? '';
  }
}

function key(...parts: (string | number)[]): string {
  return parts.join(' ');
}

function targetKey(device: number, target: ProducersOfObject['target']): string {
  return target.kind === 'sob'
    ? key(device, 'sob', target.dcore, target.sob)
    : key(device, 'fence', target.asid, target.queue, target.fence);
}
