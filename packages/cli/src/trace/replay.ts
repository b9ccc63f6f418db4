/**
 * `pedrera trace replay`: recorded calls made again on a fresh daemon, and what came out of them compared.
 *
 * Owns: the order of calls: each is made once everything that came before it in the recording has come here, too, answers and ends of
 * submissions alike. Must not know what counts as a difference (compare.ts).
 */
import type { ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import path from 'node:path';
import type { CallRecord, ContentsRecord, TraceRecord } from '@pedrera/uapi';
import type { Context } from '../command.js';
import { EXIT, type ExitCode, usageError } from '../exit.js';
import { endDaemon, privateDaemon, runDirectory } from '../run/run-program.js';
import { openSession } from '../session.js';
import type { Style } from '../text/style.js';

import { plural } from '../text/units.js';
import { type Comparison, compareTraces, whyNotReplayable } from './compare.js';
import { TraceFile, type TraceFileHeader } from './file.js';
import { FinishWatch, type SubmissionName } from './finish-watch.js';
import { Recorder } from './record.js';
import { type Answer, ReplayClient } from './replay-client.js';
import { Descriptors } from './replay-descriptors.js';
import { TidyEnd } from './tidy-end.js';

export interface ReplayOptions {
  readonly against: string | undefined;
  readonly machine: string | undefined;
  readonly memory: number;
}

/** What takes longer than this will not come; that is a difference, which the comparison tells. */
const PATIENCE_MS = 20_000;
const LESS_PATIENCE_MS = 200;
/** They carry what is no other process's but the recorded one's: descriptors of its own, its memory. */
const NOT_REPLAYABLE = /^(DMABUF_(OPEN|RECEIVE|SEND|MMAP|MUNMAP)|INFO_(UN)?REGISTER_EVENTFD|TRACE_)/;
const USER_POINTER_LIMIT = 2 ** 47;

export async function runReplay(context: Context, file: string, options: ReplayOptions): Promise<ExitCode> {
  const recorded = new TraceFile(file);
  let comparison: Comparison;
  if (options.against !== undefined) {
    comparison = compareTraces(recorded.records(), new TraceFile(options.against).records());
  } else {
    const why = whyNotReplayable({ kinds: recorded.header.kinds, lost: recorded.totals.lost });
    if (why !== undefined) throw usageError(`${file} cannot be replayed: ${why}`);
    comparison = await replayed(context, recorded, options);
  }
  const sides =
    options.against === undefined ? (['recorded', 'replayed'] as const) : ([file, options.against] as const);
  context.output.result(comparison, (document, style) => renderComparison(document, sides, style));
  return comparison.identical ? EXIT.ok : EXIT.deviceError;
}

async function replayed(context: Context, recorded: TraceFile, options: ReplayOptions): Promise<Comparison> {
  const directory = runDirectory();
  const tidy = new TidyEnd(directory);
  let daemon: ChildProcess | undefined;
  try {
    const socketPath = path.join(directory, 'pedrera.sock');
    daemon = await startLike(recorded.header, { socketPath, directory, machine: options.machine });
    const session = await openSession({ ...context, socketOption: socketPath });
    const output = path.join(directory, 'replay.pedrera-trace');
    const recorder = await Recorder.start(
      session,
      { output, kinds: recorded.header.kinds, pid: undefined, replayable: true, memory: options.memory },
      [],
    );
    const over = recorder.untilOver(undefined, 'asked');
    // What goes wrong before it is asked for is the reason, and not that the recording ends with it.
    over.catch(() => {});
    const finishes = await FinishWatch.start(session);
    const replay = new Replay(socketPath, finishes);
    await replay.run(recorded.records());
    await finishes.stop();
    await recorder.stop();
    await over;
    await session.close();
    return compareTraces(recorded.records(), new TraceFile(output).records(), ({ number }) =>
      replay.skipped.get(number),
    );
  } finally {
    if (daemon !== undefined) await endDaemon(daemon);
    rmSync(directory, { recursive: true, force: true });
    tidy.release();
  }
}

function startLike(
  { devices, policy }: TraceFileHeader,
  { socketPath, directory, machine }: { socketPath: string; directory: string; machine: string | undefined },
): Promise<ChildProcess> {
  return privateDaemon(socketPath, directory, {
    devices,
    policy: policy === 'exclusive' ? 'exclusive' : 'shared',
    machine,
    collapseDma: false,
  });
}

/** What happens at one place of the recording. */
type Step =
  | { readonly at: number; readonly kind: 'request' | 'answer'; readonly call: CallRecord }
  | { readonly at: number; readonly kind: 'end'; readonly client: number }
  | { readonly at: number; readonly kind: 'finish'; readonly submission: SubmissionName };

class Replay {
  /** Numbers of recorded calls that were not made, and how many others were made in their place. */
  readonly skipped = new Map<number, number>();
  readonly #socketPath: string;
  readonly #clients = new Map<number, ReplayClient>();
  readonly #answers = new Map<number, Promise<Answer>>();
  readonly #contents = new Map<number, ContentsRecord[]>();
  /** Recorded tokens, in hex, and those of this run. */
  readonly #tokens = new Map<string, Uint8Array>();
  /** Recorded token of a side channel -> the recorded client it was given to. */
  readonly #sideOwners = new Map<string, number>();

  readonly #descriptors = new Descriptors();
  readonly #finishes: FinishWatch;
  /** Recorded device and ASID, as it was given out last -> the ASID here. */
  readonly #asids = new Map<string, number>();
  /** Something that came in the recording did not come here: what follows is not waited for as long. */
  #late = false;

  constructor(socketPath: string, finishes: FinishWatch) {
    this.#socketPath = socketPath;
    this.#finishes = finishes;
  }

  async run(records: Iterable<TraceRecord>): Promise<void> {
    for (const step of this.#steps(records)) {
      switch (step.kind) {
        case 'request':
          await this.#request(step.call);
          break;
        case 'answer':
          await this.#answered(step.call);
          break;
        case 'finish':
          await this.#inTime(this.#finishes.finished(this.#named(step.submission)));
          break;
        case 'end':
          await this.#ended(step.client);
      }
    }
    // What was open when the recording ended.
    for (const client of this.#clients.values()) await this.#inTime(client.close());
  }

  #named({ device, asid, seq }: SubmissionName): SubmissionName {
    return { device, asid: this.#asids.get(`${device}/${asid}`) ?? asid, seq };
  }

  #steps(records: Iterable<TraceRecord>): Step[] {
    const steps: Step[] = [];
    for (const record of records) {
      if (record.kind === 'call') {
        steps.push({ at: record.number, kind: 'request', call: record });
        if (record.answered !== null) steps.push({ at: record.answered, kind: 'answer', call: record });
        const token = record.res?.sideToken;
        if (token instanceof Uint8Array) this.#sideOwners.set(hex(token), record.client);
      } else if (record.kind === 'client end') steps.push({ at: record.number, kind: 'end', client: record.client });
      else if (record.kind === 'finish') steps.push({ at: record.number, kind: 'finish', submission: record });
      else if (record.kind === 'contents') {
        const contents = this.#contents.get(record.client) ?? [];
        this.#contents.set(record.client, contents);
        contents.push(record);
      } else if (record.kind === 'client' && record.before && record.node !== '') {
        throw usageError(
          `it cannot be replayed: ${record.program} (${record.pid}) had opened ${record.node} before it began`,
        );
      }
    }
    return steps.sort((a, b) => a.at - b.at);
  }

  async #request(call: CallRecord): Promise<void> {
    const translated = call.req === null ? undefined : this.#descriptors.translated(call, call.req);
    if (translated === undefined || NOT_REPLAYABLE.test(call.call)) {
      this.skipped.set(call.number, 0);
      return;
    }
    const req = this.#translated(translated) as Record<string, unknown>;
    if (pointsIntoProgram(call)) {
      const client = await this.#client(call.client);
      this.skipped.set(call.number, call.errno === null ? ((await this.#inTime(client.standIn(call, req))) ?? 0) : 0);
      return;
    }
    if (call.call === 'SIDE_CHANNEL') {
      const token = call.req?.token as Uint8Array;
      const owner = this.#clients.get(this.#sideOwners.get(hex(token)) ?? -1);
      if (owner !== undefined) {
        this.#answers.set(call.number, owner.attachSide(req.token as Uint8Array));
        return;
      }
    }
    const client = await this.#client(call.client);
    if (call.call.startsWith('CS')) this.#restore(call, client);
    this.#answers.set(call.number, client.call(call, req));
  }

  async #answered(call: CallRecord): Promise<void> {
    const answer = this.#answers.get(call.number);
    this.#answers.delete(call.number);
    const res = answer === undefined ? undefined : (await this.#inTime(answer))?.res;
    this.#descriptors.answered(call, res);
    if (call.call === 'OPEN' && res) {
      const { device, asid } = call.res ?? {};
      this.#asids.set(`${device}/${asid}`, Number(res.asid));
    }
    if (res !== undefined && res !== null && call.res !== null) this.#learn(call.res, res);
  }

  async #ended(client: number): Promise<void> {
    const replayed = this.#clients.get(client);
    this.#clients.delete(client);
    // Whoever opens the device next must find it as in the recording: without this one.
    if (replayed !== undefined) await this.#inTime(replayed.close());
  }

  async #client(number: number): Promise<ReplayClient> {
    const known = this.#clients.get(number);
    if (known !== undefined) return known;
    const client = await ReplayClient.connect(this.#socketPath);
    this.#clients.set(number, client);
    return client;
  }

  /** Memory as it was when the call was made. */
  #restore({ client, number, answered }: CallRecord, replayed: ReplayClient): void {
    const contents = this.#contents.get(client);
    while (contents !== undefined && (contents[0]?.number ?? Number.POSITIVE_INFINITY) < (answered ?? 0)) {
      const { handle, offset, bytes, number: at } = contents.shift() as ContentsRecord;
      if (at > number) replayed.restore(handle, offset, bytes);
    }
  }

  /** Undefined for what does not come. */
  #inTime<T>(coming: Promise<T>): Promise<T | undefined> {
    return new Promise((resolve) => {
      const timer = setTimeout(
        () => {
          this.#late = true;
          resolve(undefined);
        },
        this.#late ? LESS_PATIENCE_MS : PATIENCE_MS,
      );
      void coming.then((value) => {
        clearTimeout(timer);
        resolve(value);
      });
    });
  }

  /** Tokens are random: those of the recording stand for those of this run. */
  #learn(recorded: unknown, now: unknown): void {
    if (recorded instanceof Uint8Array && now instanceof Uint8Array) this.#tokens.set(hex(recorded), now);
    else if (typeof recorded === 'object' && typeof now === 'object' && recorded !== null && now !== null) {
      for (const [name, value] of Object.entries(recorded)) this.#learn(value, (now as Record<string, unknown>)[name]);
    }
  }

  #translated(value: unknown): unknown {
    if (value instanceof Uint8Array) return this.#tokens.get(hex(value)) ?? value;
    if (Array.isArray(value)) return value.map((item) => this.#translated(item));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, this.#translated(field)]));
  }
}

/** Memory of the program itself, which is in no recording. */
function pointsIntoProgram({ call, req }: CallRecord): boolean {
  return call === 'MEMORY_MAP_HOST' && Number(req?.hostVirtAddr) < USER_POINTER_LIMIT;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

const SHOWN_FAILURES = 5;

function renderComparison(comparison: Comparison, [first, second]: readonly [string, string], style: Style): string {
  const { clients, calls, submissions, digests, failed, skipped, standIns, difference } = comparison;
  const what = `${plural(clients, 'client')}, ${plural(calls, 'call')}, ${plural(submissions, 'submission')}, ${plural(digests, 'piece')} of memory`;
  const left =
    (skipped === 0 ? '' : `; ${plural(skipped, 'call')} that cannot be made again left out`) +
    (standIns === 0
      ? ''
      : `; ${plural(standIns, 'buffer')} of the program's own memory stood in for by empty ones, so memory is not compared`);
  if (difference === null) {
    const more = failed.length > SHOWN_FAILURES ? [`  and more`] : [];
    const failures = failed.slice(0, SHOWN_FAILURES).map((text) => `  failed in both: ${text}`);
    return [`${style.green('the same')}: ${what}${left}`, ...failures, ...more].join('\n');
  }
  return [
    `${style.red('different')}: ${difference.where}: ${difference.what}`,
    `  ${first}: ${difference.first}`,
    `  ${second}: ${difference.second}`,
    `compared until then: ${what}${left}`,
  ].join('\n');
}
