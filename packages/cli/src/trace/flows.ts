/**
 * What led to what in a recording: submit to job, sync object to monitor to fence, the end of a job to the client that waited for it.
 *
 * Owns: finding the two ends of each arrow. Pure; knows nothing of how arrows are written.
 * An arrow is 'inferred' where records do not say it and time does: a write that came from another device.
 */
import {
  CFG_BASE,
  CFG_END,
  decodeMonitorArm,
  FENCES_PER_STREAM,
  fenceOfOffset,
  SOBS_PER_GROUP,
  sobAddress,
} from '@pedrera/hw';
import type { CallRecord, EngineRecord, SubmitRecord, SyncRecord, WakeRecord } from '@pedrera/uapi';
import { endOf, type Spot, type Stretch, Writers } from './writers.js';

export interface Flow {
  readonly name: string;
  readonly from: Spot;
  readonly fromNs: number;
  readonly to: Spot;
  readonly toNs: number;
  readonly inferred: boolean;
}

interface Write {
  readonly record: SyncRecord;
  readonly spot: Spot;
}

export class FlowFinder {
  readonly #files = new Map<number, { device: number | null; asid: number | null }>();
  readonly #submits = new Map<string, SubmitRecord>();
  /** The call that handed a submission in. */
  readonly #submitCalls = new Map<string, Spot>();
  /** Calls that waited for a submission. */
  readonly #waits = new Map<string, Spot[]>();
  readonly #wakes: WakeRecord[] = [];
  readonly #jobs: Stretch[] = [];
  readonly #fences: Stretch[] = [];
  readonly #sync: Write[] = [];
  /** Writes that came from another device. */
  readonly #foreign: Write[] = [];

  opened(client: number, file: { device: number | null; asid: number | null }): void {
    this.#files.set(client, file);
  }

  call(call: CallRecord, spot: Spot): void {
    if (call.call === 'OPEN' && call.res !== null) {
      this.opened(call.client, { device: Number(call.res.device), asid: Number(call.res.asid) });
    }
    const file = this.#files.get(call.client);
    if (file === undefined || file.device === null || file.asid === null) return;
    if (call.call.startsWith('CS') && typeof call.res?.seq === 'number') {
      this.#submitCalls.set(`${file.device}/${file.asid}/${call.res.seq}`, spot);
    } else if (call.call.startsWith('WAIT_')) {
      for (const seq of awaited(call)) {
        const key = `${file.device}/${file.asid}/${seq}`;
        this.#waits.set(key, [...(this.#waits.get(key) ?? []), spot]);
      }
    }
  }

  submitted(submit: SubmitRecord): void {
    this.#submits.set(keyOf(submit), submit);
  }

  woke(wake: WakeRecord): void {
    this.#wakes.push(wake);
  }

  stretch(record: EngineRecord, spot: Spot): void {
    if (record.kind === 'job') this.#jobs.push({ record, spot });
    else if (record.kind === 'fence wait' && record.end === 'done') this.#fences.push({ record, spot });
  }

  sync(record: SyncRecord, spot: Spot): void {
    this.#sync.push({ record, spot });
  }

  /** All there are, once everything was told. */
  *flows(): Generator<Flow> {
    const byTime = (a: { spot: Spot }, b: { spot: Spot }) => a.spot.timeNs - b.spot.timeNs;
    this.#jobs.sort(byTime);
    this.#fences.sort(byTime);
    this.#sync.sort(byTime);
    yield* this.#submitFlows();
    yield* this.#syncFlows();
    yield* this.#remoteFlows();
    yield* this.#wakeFlows();
  }

  *#submitFlows(): Generator<Flow> {
    for (const { record, spot } of this.#jobs) {
      if (record.seq === null) continue;
      const key = keyOf({ ...record, seq: record.seq });
      const call = this.#submitCalls.get(key);
      const submit = this.#submits.get(key);
      if (call === undefined || submit === undefined) continue;
      yield flow('submit', { spot: call, atNs: submit.timeNs }, { spot, atNs: spot.timeNs });
    }
  }

  /** Sync object to monitor to fence; a monitor fires because of the last write to an object it watches. */
  *#syncFlows(): Generator<Flow> {
    const armed = new Map<string, { readonly objects: readonly string[] }>();
    const written = new Map<string, Write>();
    const fired = new Map<string, Write[]>();
    /** Monitors that fired, by where they wrote to. */
    const payloads = new Map<string, Write>();
    for (const write of this.#sync) {
      const { record, spot } = write;
      const place = `${record.device}/${record.dcore}`;
      if (record.kind === 'sob') {
        written.set(`${place}/${record.index}`, write);
        const cause =
          record.queue < 0 ? payloads.get(`${record.device}/${sobAddress(record.dcore, record.index)}`) : undefined;
        if (cause !== undefined) {
          yield flow('signal', { spot: cause.spot, atNs: cause.spot.timeNs }, { spot, atNs: spot.timeNs });
        } else if (record.queue < 0 && record.value !== 0) this.#foreign.push(write);
      } else if (record.kind === 'arm') {
        const { group, mask } = decodeMonitorArm(record.value);
        const watched = [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => ((mask >>> bit) & 1) === 0);
        const objects = watched.map((bit) => `${place}/${group * SOBS_PER_GROUP + bit}`);
        armed.set(`${place}/${record.index}`, { objects });
      } else {
        const objects = armed.get(`${place}/${record.index}`)?.objects ?? [];
        const last = objects.reduce<Write | undefined>((latest, object) => {
          const candidate = written.get(object);
          return candidate !== undefined && (latest?.spot.timeNs ?? 0) <= candidate.spot.timeNs ? candidate : latest;
        }, undefined);
        if (last !== undefined) {
          yield flow('signal', { spot: last.spot, atNs: last.spot.timeNs }, { spot, atNs: spot.timeNs });
        }
        payloads.set(`${record.device}/${record.address}`, write);
        const fence = fenceWritten(record.address);
        if (fence !== undefined) {
          const key = `${record.device}/${record.asid}/${fence}`;
          const fires = fired.get(key) ?? [];
          fires.push(write);
          fired.set(key, fires);
        }
      }
    }
    for (const { record, spot } of this.#fences) {
      const key = `${record.device}/${record.asid}/${record.queue * FENCES_PER_STREAM + record.value}`;
      const endNs = spot.timeNs + spot.durationNs;
      const fire = fired.get(key)?.findLast((write) => write.spot.timeNs <= endNs);
      if (fire !== undefined) yield flow('release', { spot: fire.spot, atNs: fire.spot.timeNs }, { spot, atNs: endNs });
    }
  }

  /** What no queue of the device wrote, and no monitor of it, came from another device. */
  *#remoteFlows(): Generator<Flow> {
    const writers = new Writers(this.#jobs, this.#fences);
    for (const { record, spot } of this.#foreign) {
      const source = writers.likeliest(record.device, spot.timeNs);
      if (source === undefined) continue;
      const from = { spot: source.spot, atNs: Math.min(spot.timeNs, endOf(source)) };
      yield { ...flow('signal from another device', from, { spot, atNs: spot.timeNs }), inferred: true };
    }
  }

  *#wakeFlows(): Generator<Flow> {
    const lastJobs = new Map<string, Stretch>();
    for (const job of this.#jobs) {
      const { seq } = job.record;
      if (seq === null) continue;
      const key = keyOf({ ...job.record, seq });
      const known = lastJobs.get(key);
      if (known === undefined || endOf(known) < endOf(job)) lastJobs.set(key, job);
    }
    for (const wake of this.#wakes) {
      const wait = this.#waits
        .get(keyOf(wake))
        ?.find(({ timeNs, durationNs }) => timeNs <= wake.timeNs && wake.timeNs <= timeNs + durationNs);
      const job = lastJobs.get(keyOf(wake));
      if (wait === undefined || job === undefined) continue;
      yield flow('wake', { spot: job.spot, atNs: endOf(job) }, { spot: wait, atNs: wake.timeNs });
    }
  }
}

/** The numbers a call waits for. */
function awaited({ req }: CallRecord): number[] {
  const several = req?.sequences;
  return Array.isArray(several) && several.length > 0 ? (several as number[]) : [Number(req?.seq)];
}

function keyOf({ device, asid, seq }: { device: number; asid: number; seq: number }): string {
  return `${device}/${asid}/${seq}`;
}

/** queue * FENCES_PER_STREAM + fence, of a payload that goes to a fence. */
function fenceWritten(address: number): number | undefined {
  if (address < CFG_BASE || address >= CFG_END) return undefined;
  const fence = fenceOfOffset(address - CFG_BASE);
  return fence < 0 ? undefined : fence;
}

interface End {
  readonly spot: Spot;
  readonly atNs: number;
}

/** Both ends lie within their slices: at a slice's very end the arrow would belong to whatever holds it. */
function flow(name: string, from: End, to: End): Flow {
  return { name, from: from.spot, fromNs: within(from), to: to.spot, toNs: within(to), inferred: false };
}

function within({ spot, atNs }: End): number {
  const last = spot.timeNs + Math.max(0, Math.floor(spot.durationNs) - 1);
  return Math.min(Math.max(atNs, spot.timeNs), last);
}
