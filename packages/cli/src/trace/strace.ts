/**
 * `pedrera strace`: the calls of a program as it makes them, or of one that runs already.
 *
 * Owns: what is recorded for it, the order of lines, the end. Must not know how a line looks (strace-text.ts).
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { type CallRecord, TRACE_KIND, type TraceRecord } from '@pedrera/uapi';
import type { Context } from '../command.js';
import { deviceError, EXIT, type ExitCode, usageError } from '../exit.js';
import type { DaemonChoice } from '../run/run-program.js';
import { withSession } from '../session.js';
import { makeStyle } from '../text/style.js';
import { type Follower, follow } from './follow.js';
import { withHost } from './hosted-program.js';
import { type CallFilter, callFilter } from './strace-filter.js';
import { CallCounts, renderSummary } from './strace-summary.js';
import { type LineOptions, StraceLines } from './strace-text.js';

export interface StraceOptions extends DaemonChoice {
  readonly pid: number | undefined;
  readonly expression: string | undefined;
  readonly unsupported: boolean;
  readonly summary: boolean;
  readonly time: boolean;
  readonly relative: boolean;
  readonly output: string | undefined;
  readonly json: boolean;
}

const KINDS = TRACE_KIND.CALLS | TRACE_KIND.EVENTS;
const BYTES = 32 * 1024 * 1024;
/** A call under way for longer is shown before it is answered. */
const LONG_NS = 0.2e9;
const FILE_WIDTH = 200;

export async function runStrace(context: Context, options: StraceOptions, args: readonly string[]): Promise<ExitCode> {
  const filter = callFilter(options.expression?.split(/\s+/) ?? [], options.unsupported);
  if (options.pid !== undefined && args.length > 0) throw usageError('strace: a process (-p) or a program, not both');
  if (options.pid === undefined && args.length === 0) {
    throw usageError('strace: which process (-p PID) or program (-- PROGRAM ARGS)?', 'pedrera ps shows the clients');
  }
  const sink = new Sink(context, options.output, args.length > 0);
  try {
    if (args.length > 0) return await straceProgram(context, { options, filter, sink }, args);
    return await stracePid(context, { options, filter, sink }, options.pid as number);
  } finally {
    sink.close();
  }
}

interface Tracing {
  readonly options: StraceOptions;
  readonly filter: CallFilter;
  readonly sink: Sink;
}

function straceProgram(context: Context, tracing: Tracing, args: readonly string[]): Promise<ExitCode> {
  return withHost(context, tracing.options, async ({ session, own, run }) => {
    const recording = await session.trace({ kinds: KINDS, bytes: BYTES });
    tracing.sink.open();
    let pid = 0;
    const ended = run(args, (started) => {
      pid = started;
    });
    const printer = new Printer(context, tracing);
    await follow(recording, { root: () => (own ? undefined : pid), ended, untilGone: false }, printer);
    return (await ended) as ExitCode;
  });
}

async function stracePid(context: Context, tracing: Tracing, pid: number): Promise<ExitCode> {
  return withSession(context, async (session) => {
    const { clients } = await session.inspectClients();
    if (!clients.some((client) => client.pid === pid)) {
      throw deviceError(`process ${pid} has no device open`, 'pedrera ps shows the clients');
    }
    const recording = await session.trace({ kinds: KINDS, bytes: BYTES, pid });
    tracing.sink.open();
    const printer = new Printer(context, tracing);
    await follow(recording, { root: () => undefined, ended: undefined, untilGone: true }, printer);
    return EXIT.ok;
  });
}

/** Where lines go: a file, or the terminal; beside a program, its error stream. */
class Sink {
  readonly #context: Context;
  readonly #beside: boolean;
  readonly #file: string | undefined;
  #fd: number | undefined;

  constructor(context: Context, file: string | undefined, beside: boolean) {
    this.#context = context;
    this.#beside = beside;
    this.#file = file;
  }

  /** Once there is something to trace: what is in the file is not lost for a daemon that does not run. */
  open(): void {
    if (this.#file !== undefined) this.#fd = openSync(this.#file, 'w', 0o600);
  }

  get isFile(): boolean {
    return this.#file !== undefined;
  }

  line(text: string): void {
    if (this.#fd !== undefined) writeSync(this.#fd, `${text}\n`);
    else if (this.#beside) this.#context.output.aside(text);
    else this.#context.output.result(text, (line) => line);
  }

  document(document: object): void {
    if (this.#fd !== undefined) writeSync(this.#fd, `${JSON.stringify(document)}\n`);
    else if (this.#beside) this.#context.output.aside(JSON.stringify(document));
    else this.#context.output.result(document, (value) => JSON.stringify(value));
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
  }
}

class Printer implements Follower {
  readonly #context: Context;
  readonly #tracing: Tracing;
  readonly #lines: StraceLines;
  readonly #counts = new CallCounts();
  /** Calls that are shown as unfinished. */
  readonly #shown = new Set<number>();
  readonly #nodes = new Map<number, string>();
  /** On the daemon's clock, which is this process's too. */
  readonly #nowNs = () => Number(process.hrtime.bigint());

  constructor(context: Context, tracing: Tracing) {
    this.#context = context;
    this.#tracing = tracing;
    const { time, relative } = tracing.options;
    const lines: LineOptions = {
      time: relative ? 'relative' : time ? 'clock' : 'none',
      epochMs: Date.now() - this.#nowNs() / 1e6,
    };
    this.#lines = new StraceLines(lines);
  }

  record(record: TraceRecord): void {
    switch (record.kind) {
      case 'client':
        this.#lines.seen(record);
        this.#nodes.set(record.client, record.node);
        return;
      case 'call':
        this.#call(record);
        return;
      case 'event':
        if (this.#wantsText) this.#tracing.sink.line(this.#lines.event(record));
        return;
      case 'client end': {
        const node = this.#nodes.get(record.client) ?? '';
        if (this.#wantsText && node !== '') this.#tracing.sink.line(this.#lines.closed(record, node));
        return;
      }
      case 'lost':
        if (this.#wantsText) this.#tracing.sink.line(this.#lines.lost(record.count));
        return;
      default:
        // Nothing else was asked for.
        return;
    }
  }

  quiet(unanswered: readonly CallRecord[]): void {
    if (!this.#wantsText) return;
    const now = this.#nowNs();
    for (const call of unanswered) {
      if (now - call.timeNs < LONG_NS || this.#shown.has(call.number) || !this.#tracing.filter(call)) continue;
      this.#shown.add(call.number);
      this.#tracing.sink.line(this.#lines.waiting(call));
    }
  }

  end(unanswered: readonly CallRecord[], batch: { lost: number } | undefined): void {
    for (const call of unanswered) this.#call(call);
    if (!this.#tracing.options.summary) return;
    const { sink, options } = this.#tracing;
    const summary = this.#counts.summary(batch?.lost ?? 0);
    if (options.json) sink.document(summary);
    else sink.line(renderSummary(summary, sink.isFile ? makeStyle(FILE_WIDTH, false) : this.#context.style));
  }

  get #wantsText(): boolean {
    const { summary, json } = this.#tracing.options;
    return !summary && !json;
  }

  #call(call: CallRecord): void {
    const { filter, options, sink } = this.#tracing;
    if (!filter(call)) return;
    if (options.summary) this.#counts.add(call);
    else if (options.json) sink.document(callDocument(call));
    else if (this.#shown.delete(call.number)) sink.line(this.#lines.resumed(call));
    else sink.line(this.#lines.call(call));
  }
}

function callDocument(call: CallRecord): object {
  const { kind: _, ...fields } = call;
  return plain({ schema: 'pedrera.call/1', ...fields }) as object;
}

/** What JSON can hold: numbers of 64 bits as text, bytes as their number. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return `0x${value.toString(16)}`;
  if (value instanceof Uint8Array) return { bytes: value.length };
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plain(field)]));
}
