/**
 * For tests: the rules of Chrome's trace event format, as far as the Perfetto UI and trace_processor depend on them.
 *
 * Owns: the list of what is wrong with a trace. Must not know how it was made.
 */

export interface TraceEvent {
  readonly ph: string;
  readonly name?: string;
  readonly cat?: string;
  readonly ts: number;
  readonly pid: number;
  readonly tid: number;
  readonly dur?: number;
  readonly id?: number | string;
  readonly s?: string;
  readonly bp?: string;
  readonly args?: Readonly<Record<string, unknown>>;
}

const PHASES = new Set(['X', 'M', 'C', 'b', 'e', 'i', 's', 't', 'f']);
const METADATA = new Set(['process_name', 'thread_name', 'process_sort_index', 'thread_sort_index']);
/** Half of the smallest step of a timestamp. */
const EPSILON = 0.0005;

/** Sentences; none for a trace that is right. */
export function checkTraceEvents(events: readonly TraceEvent[]): string[] {
  const wrong = events.flatMap((event) => checkEvent(event).map((why) => `${why}: ${JSON.stringify(event)}`));
  return [...wrong, ...checkNames(events), ...checkNesting(events), ...checkAsync(events), ...checkFlows(events)];
}

function checkEvent({ ph, name, ts, pid, tid, dur, s, args }: TraceEvent): string[] {
  const wrong: string[] = [];
  if (!PHASES.has(ph)) wrong.push('an unknown phase');
  if (typeof name !== 'string' || name === '') wrong.push('no name');
  if (!Number.isFinite(ts)) wrong.push('no time');
  if (!Number.isSafeInteger(pid) || !Number.isSafeInteger(tid)) wrong.push('no process or thread');
  if (ph === 'X' && !(Number.isFinite(dur) && (dur as number) >= 0)) wrong.push('a slice without a duration');
  if (ph === 'i' && !['g', 'p', 't'].includes(s ?? '')) wrong.push('an instant without a scope');
  if (ph === 'C' && !Object.values(args ?? {}).every(Number.isFinite)) wrong.push('a counter that is no number');
  if (ph === 'M' && (!METADATA.has(name ?? '') || args === undefined)) wrong.push('metadata nobody knows');
  return wrong;
}

/** Every thread with slices, and every process, has a name. */
function checkNames(events: readonly TraceEvent[]): string[] {
  const named = new Set<string>();
  for (const { ph, name, pid, tid } of events) {
    if (ph === 'M' && name === 'process_name') named.add(`${pid}`);
    if (ph === 'M' && name === 'thread_name') named.add(`${pid}/${tid}`);
  }
  const slices = events.filter(({ ph }) => ph === 'X');
  return [
    ...new Set(
      slices.flatMap(({ pid, tid }) => [
        ...(named.has(`${pid}`) ? [] : [`process ${pid} has no name`]),
        ...(named.has(`${pid}/${tid}`) ? [] : [`thread ${pid}/${tid} has no name`]),
      ]),
    ),
  ];
}

/** Slices of a thread lie in one another, or apart. */
function checkNesting(events: readonly TraceEvent[]): string[] {
  const wrong: string[] = [];
  for (const slices of byThread(events).values()) {
    slices.sort((a, b) => a.ts - b.ts || (b.dur ?? 0) - (a.dur ?? 0));
    const ends: number[] = [];
    for (const slice of slices) {
      while (ends.length > 0 && (ends.at(-1) as number) < slice.ts + EPSILON && slice.dur !== 0) ends.pop();
      while (ends.length > 0 && (ends.at(-1) as number) < slice.ts - EPSILON) ends.pop();
      const end = slice.ts + (slice.dur ?? 0);
      if (ends.length > 0 && end > (ends.at(-1) as number) + EPSILON)
        wrong.push(`overlaps another: ${JSON.stringify(slice)}`);
      ends.push(end);
    }
  }
  return wrong;
}

function checkAsync(events: readonly TraceEvent[]): string[] {
  const open = new Map<string, number>();
  const wrong: string[] = [];
  for (const event of events) {
    const key = `${event.cat}/${event.id}`;
    if (event.ph === 'b') open.set(key, event.ts);
    if (event.ph !== 'e') continue;
    const begun = open.get(key);
    if (begun === undefined || begun > event.ts) wrong.push(`ends what did not begin: ${JSON.stringify(event)}`);
    open.delete(key);
  }
  return [...wrong, ...[...open.keys()].map((key) => `${key} never ends`)];
}

/**
 * Slices to which arrows lead from `start`, themselves included. An arrow leads on from where the last one ended: from the same slice,
 * one that holds it or one that it holds, at that moment or later.
 */
export function reachedByArrows(events: readonly TraceEvent[], start: TraceEvent): TraceEvent[] {
  const threads = byThread(events);
  const arrows = arrowsOf(events);
  const reached = new Map<TraceEvent, number>([[start, start.ts]]);
  for (let grown = true; grown; ) {
    grown = false;
    for (const { from, to } of arrows) {
      if (
        !slicesAt(threads, from).some((slice) => (reached.get(slice) ?? Number.POSITIVE_INFINITY) <= from.ts + EPSILON)
      )
        continue;
      for (const slice of slicesAt(threads, to)) {
        if ((reached.get(slice) ?? Number.POSITIVE_INFINITY) <= to.ts) continue;
        reached.set(slice, to.ts);
        grown = true;
      }
    }
  }
  return [...reached.keys()];
}

function arrowsOf(events: readonly TraceEvent[]): { from: TraceEvent; to: TraceEvent }[] {
  const starts = new Map(events.filter(({ ph }) => ph === 's').map((event) => [event.id, event]));
  return events.flatMap((to) => {
    const from = to.ph === 'f' ? starts.get(to.id) : undefined;
    return from === undefined ? [] : [{ from, to }];
  });
}

function slicesAt(threads: ReadonlyMap<string, readonly TraceEvent[]>, { pid, tid, ts }: TraceEvent): TraceEvent[] {
  const slices = threads.get(`${pid}/${tid}`) ?? [];
  return slices.filter((slice) => slice.ts <= ts + EPSILON && ts <= slice.ts + (slice.dur ?? 0) + EPSILON);
}

/** Each arrow has one start and one end, and both lie in slices. */
function checkFlows(events: readonly TraceEvent[]): string[] {
  const threads = byThread(events);
  const flows = new Map<string, TraceEvent[]>();
  for (const event of events) {
    if (!['s', 't', 'f'].includes(event.ph)) continue;
    const key = `${event.cat}/${event.name}/${event.id}`;
    flows.set(key, [...(flows.get(key) ?? []), event]);
  }
  const wrong: string[] = [];
  for (const [key, flow] of flows) {
    if (flow.map(({ ph }) => ph).join('') !== 'sf') wrong.push(`flow ${key} is ${flow.map(({ ph }) => ph).join('')}`);
    if (flow.at(-1)?.bp !== 'e') wrong.push(`flow ${key} does not end in the slice that encloses its end`);
    for (const { pid, tid, ts } of flow) {
      const slices = threads.get(`${pid}/${tid}`) ?? [];
      if (!slices.some((slice) => slice.ts <= ts && ts <= slice.ts + (slice.dur ?? 0)))
        wrong.push(`flow ${key} ends in no slice`);
    }
  }
  return wrong;
}

function byThread(events: readonly TraceEvent[]): Map<string, TraceEvent[]> {
  const threads = new Map<string, TraceEvent[]>();
  for (const event of events) {
    if (event.ph !== 'X') continue;
    const key = `${event.pid}/${event.tid}`;
    const slices = threads.get(key) ?? [];
    threads.set(key, slices);
    slices.push(event);
  }
  return threads;
}
