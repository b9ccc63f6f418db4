/**
 * What the person in front of `pedrera top` has chosen, and what a key changes in it.
 *
 * Owns: the keys. Pure. Must not know: terminals, or how anything is drawn.
 */
import type { TopClient, TopDocument } from './rates.js';

export const SORTS = ['engine', 'memory', 'submissions', 'pid', 'program'] as const;
export type Sort = (typeof SORTS)[number];

export interface TopState {
  readonly sort: Sort;
  readonly reverse: boolean;
  /** Only this device; null: all. */
  readonly device: number | null;
  /** Engines nobody has used are shown, too. */
  readonly idle: boolean;
  readonly paused: boolean;
  readonly help: boolean;
  readonly intervalMs: number;
  /** Clients whose program, pid or node has this in it. */
  readonly filter: string;
  /** The filter is being typed. */
  readonly typing: boolean;
  /** The first client shown. */
  readonly scroll: number;
  readonly quit: boolean;
}

export const INITIAL: TopState = {
  sort: 'engine',
  reverse: false,
  device: null,
  idle: false,
  paused: false,
  help: false,
  intervalMs: 1000,
  filter: '',
  typing: false,
  scroll: 0,
  quit: false,
};

/** As the help shows them. */
export const KEYS: readonly (readonly [string, string])[] = [
  ['q, Esc', 'quit'],
  ['h, ?', 'this help'],
  ['s, S', 'next sort key; reverse the order'],
  ['E M C P N', 'sort by engine, memory, submissions, pid, program'],
  ['d', 'next device, then all of them again'],
  ['0 to 9', 'this device'],
  ['i', 'show engines nobody has used, or hide them'],
  ['/', 'filter by program, pid or node; Enter keeps it, Esc clears it'],
  ['p, Space', 'pause, go on'],
  ['+, -', 'a longer, a shorter interval'],
  ['up, down', 'scroll the clients'],
];

const BY_KEY: Readonly<Record<string, Sort>> = { E: 'engine', M: 'memory', C: 'submissions', P: 'pid', N: 'program' };
const INTERVALS = [100, 250, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000];
const PAGE = 10;

/** `devices`: the indexes there are. */
export function pressed(state: TopState, key: string, devices: readonly number[]): TopState {
  if (key === 'ctrl-c') return { ...state, quit: true };
  if (state.typing) return typed(state, key);
  if (state.help) return key === 'q' ? { ...state, quit: true } : { ...state, help: false };
  const sort = BY_KEY[key];
  if (sort !== undefined) return { ...state, sort, reverse: false, scroll: 0 };
  if (/^[0-9]$/.test(key)) {
    const device = Number(key);
    return devices.includes(device) ? { ...state, device: state.device === device ? null : device } : state;
  }
  return command(state, key, devices);
}

function command(state: TopState, key: string, devices: readonly number[]): TopState {
  switch (key) {
    case 'q':
      return { ...state, quit: true };
    case 'escape':
      return state.filter === '' ? { ...state, quit: true } : { ...state, filter: '', scroll: 0 };
    case 'h':
    case '?':
      return { ...state, help: true };
    case 's':
      return { ...state, sort: SORTS[(SORTS.indexOf(state.sort) + 1) % SORTS.length] as Sort, reverse: false };
    case 'S':
      return { ...state, reverse: !state.reverse };
    case 'd':
      return { ...state, device: devices[state.device === null ? 0 : devices.indexOf(state.device) + 1] ?? null };
    case 'i':
      return { ...state, idle: !state.idle };
    case 'p':
    case ' ':
      return { ...state, paused: !state.paused };
    case '/':
      return { ...state, typing: true };
    case '+':
    case '=':
      return { ...state, intervalMs: INTERVALS.find((ms) => ms > state.intervalMs) ?? state.intervalMs };
    case '-':
      return { ...state, intervalMs: INTERVALS.findLast((ms) => ms < state.intervalMs) ?? state.intervalMs };
    case 'up':
      return { ...state, scroll: Math.max(0, state.scroll - 1) };
    case 'down':
      return { ...state, scroll: state.scroll + 1 };
    case 'page-up':
      return { ...state, scroll: Math.max(0, state.scroll - PAGE) };
    case 'page-down':
      return { ...state, scroll: state.scroll + PAGE };
    case 'home':
      return { ...state, scroll: 0 };
    default:
      return state;
  }
}

function typed(state: TopState, key: string): TopState {
  if (key === 'enter') return { ...state, typing: false };
  if (key === 'escape') return { ...state, typing: false, filter: '', scroll: 0 };
  if (key === 'backspace') return { ...state, filter: state.filter.slice(0, -1), scroll: 0 };
  return [...key].length === 1 ? { ...state, filter: state.filter + key, scroll: 0 } : state;
}

/** The clients that are asked for, in the order that is asked for. */
export function chosenClients({ clients }: TopDocument, { sort, reverse, device, filter }: TopState): TopClient[] {
  const wanted = filter.toLowerCase();
  const chosen = clients.filter((client) => {
    const names = `${client.pid} ${client.program} ${client.node}`.toLowerCase();
    return (device === null || client.device === device) && names.includes(wanted);
  });
  chosen.sort((a, b) => ORDERS[sort](a, b) || a.pid - b.pid || (a.node < b.node ? -1 : 1));
  return reverse ? chosen.reverse() : chosen;
}

function engineShare({ shares }: TopClient): number {
  return shares.busy + shares.waitMemory;
}

const ORDERS: Readonly<Record<Sort, (a: TopClient, b: TopClient) => number>> = {
  engine: (a, b) => engineShare(b) - engineShare(a) || b.shares.waitSync - a.shares.waitSync,
  memory: (a, b) => b.hbmBytes - a.hbmBytes,
  submissions: (a, b) => b.submissionsPerS - a.submissionsPerS || b.inFlight - a.inFlight,
  pid: (a, b) => a.pid - b.pid,
  program: (a, b) => (a.program < b.program ? -1 : a.program > b.program ? 1 : 0),
};
