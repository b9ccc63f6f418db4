/**
 * Calls as lines, in the manner of strace(1).
 *
 * Owns: the form of a line. Pure: from records and what was asked for to text.
 */
import { ERRNO_MEANING, type ErrnoCode, HlError } from '@pedrera/base';
import { type CallRecord, type ClientEndRecord, ENTRIES, type EventRecord, errorOf, formatCall } from '@pedrera/uapi';
import { printable } from '../text/style.js';

export interface LineOptions {
  /** 'clock': time of day; 'relative': since the line before; 'monotonic': seconds on the daemon's clock. */
  readonly time: 'none' | 'clock' | 'relative' | 'monotonic';
  /** Adds to CLOCK_MONOTONIC of the daemon's machine, in ms, to get a date. */
  readonly epochMs: number;
}

const BY_NAME = new Map(ENTRIES.map((entry) => [entry.name as string, entry]));
const NS_PER_S = 1e9;
const NS_PER_MS = 1e6;

export class StraceLines {
  readonly #options: LineOptions;
  #lastNs: number | undefined;
  /** More than one process was seen: lines say whose they are. */
  #pids = new Set<number>();
  readonly #files = new Map<number, Map<number, string>>();

  constructor(options: LineOptions) {
    this.#options = options;
  }

  /** Processes and files that lines are to be told apart by. */
  seen({ client, pid, node }: { client: number; pid: number; node: string }): void {
    this.#pids.add(pid);
    const files = this.#files.get(pid) ?? new Map<number, string>();
    if (node !== '') files.set(client, node);
    this.#files.set(pid, files);
  }

  call(call: CallRecord): string {
    const time = call.res === null && call.errno === null ? '' : ` <${(call.durationNs / NS_PER_S).toFixed(6)}>`;
    return `${this.#start(call)}${callText(call)}${time}`;
  }

  /** A call that takes so long that it is shown before it is answered. */
  waiting(call: CallRecord): string {
    return `${this.#start(call)}${callText(call).replace(/ = \?$/, '')} <unfinished ...>`;
  }

  /** The rest of such a call. */
  resumed(call: CallRecord): string {
    const { timeNs, durationNs } = call;
    const outcome = callText(call).slice(callText({ ...call, res: null, errno: null }).length - '= ?'.length);
    const start = this.#start({ ...call, timeNs: timeNs + durationNs });
    return `${start}<... ${call.call} resumed> ${outcome} <${(durationNs / NS_PER_S).toFixed(6)}>`;
  }

  event({ timeNs, pid, device, text }: EventRecord): string {
    const where = device === null ? '' : `hl${device}: `;
    return `${this.#start({ timeNs, pid: pid ?? 0, client: 0 })}--- ${where}${printable(text)} ---`;
  }

  closed(end: ClientEndRecord, node: string): string {
    return `${this.#start(end)}+++ closed ${node} +++`;
  }

  lost(count: number): string {
    return `--- ${count} records were lost: this reader was too slow ---`;
  }

  #start({ timeNs, pid, client }: { timeNs: number; pid: number; client: number }): string {
    const files = this.#files.get(pid);
    const node = (files?.size ?? 0) > 1 ? files?.get(client) : undefined;
    const who = [this.#pids.size > 1 && pid !== 0 ? `pid ${pid}` : '', node ?? '']
      .filter((part) => part !== '')
      .join(' ');
    return `${who === '' ? '' : `[${who}] `}${this.#time(timeNs)}`;
  }

  #time(timeNs: number): string {
    const last = this.#lastNs;
    this.#lastNs = timeNs;
    switch (this.#options.time) {
      case 'none':
        return '';
      case 'clock':
        return `${timeOfDay(this.#options.epochMs + timeNs / NS_PER_MS)} `;
      case 'relative':
        return `${(Math.max(0, timeNs - (last ?? timeNs)) / NS_PER_S).toFixed(6).padStart(13)} `;
      case 'monotonic':
        return `${(timeNs / NS_PER_S).toFixed(6)} `;
    }
  }
}

function timeOfDay(epochMs: number): string {
  const date = new Date(epochMs);
  const two = (value: number) => String(value).padStart(2, '0');
  const micros = String(Math.floor((epochMs * 1000) % 1e6)).padStart(6, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${micros}`;
}

/** `CB_CREATE(size=4096, flags=0) = 0 {handle=0x1000}`; what could not be decoded is `...`. */
export function callText(call: CallRecord): string {
  const entry = BY_NAME.get(call.call);
  const error = explained(call);
  if (entry === undefined || call.req === null) {
    const outcome = error === undefined ? (call.res === null ? '?' : '0') : `-1 ${error.code} (${error.detail ?? ''})`;
    return `${printable(call.call)}(...) = ${outcome}`;
  }
  return printable(formatCall(entry, call.req, error ?? call.res ?? undefined));
}

/** An error without a sentence of its own gets the errno's. */
function explained(call: CallRecord): HlError | undefined {
  const error = errorOf(call);
  if (error === undefined || error.detail !== undefined) return error;
  return new HlError(error.code, ERRNO_MEANING[error.code as ErrnoCode]);
}
