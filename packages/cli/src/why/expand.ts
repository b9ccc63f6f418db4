/**
 * What one thing waits for.
 *
 * Owns: the rules of the machine as far as waiting goes (a submission needs all its jobs, a job its queue, a queue the fence it
 * stands at, a fence a monitor or a write, a monitor its sync objects). Who signals is in signallers.ts. Must not know: the
 * rest of the graph.
 */
import { queueByName } from '@pedrera/hw';
import type { CallState, CallTarget, QueueState, SubmissionState, WaitedFence } from '@pedrera/uapi';
import { isUnfinished } from '../inspect/waits.js';
import { formatDuration, plural } from '../text/units.js';
import type { Books } from './books.js';
import { type Expanded, leaf, waiting } from './node.js';
import type { Ref } from './refs.js';
import { expandFence, expandSob } from './signallers.js';

export function expand(books: Books, ref: Ref): Expanded {
  switch (ref.kind) {
    case 'call':
      return expandCall(books, ref.index);
    case 'submission':
      return expandSubmission(books, ref);
    case 'job':
      return expandJob(books, ref);
    case 'stream':
      return expandStream(books, ref);
    case 'fence':
      return expandFence(books, ref);
    case 'monitor':
      return expandMonitor(ref);
    case 'sob':
      return expandSob(books, ref);
    case 'shared':
      return expandShared(ref);
    case 'process':
      return expandProcess(books, ref.pid);
    case 'engine': {
      const { device, engine, queue } = ref;
      const text = 'hangs: it makes no progress until the device is reset';
      return leaf('engine', `engine ${engine}`, text, 'hung', { device, queue });
    }
    case 'device':
      return expandDevice(books, ref);
    case 'interrupt':
      return expandInterrupt(books, ref);
    case 'memory':
      return leaf('memory', 'memory', ref.what, 'unknown', { device: ref.device, pid: ref.pid });
    case 'cut': {
      const text = 'so much is queued that not all of it was read';
      return leaf('packets', `packets of device ${ref.device}`, text, 'unread', ref);
    }
    case 'unread': {
      const { seq, queue } = ref;
      const text = `submission ${seq} on ${queue}: its packets lie in device memory and were not read`;
      return leaf('packets', `packets of submission ${seq}`, text, 'unread', ref);
    }
  }
}

function expandCall(books: Books, index: number): Expanded {
  const call = books.call(index) as CallState;
  const { pid, ageMs, on, timeoutLeftMs } = call;
  const limit = timeoutLeftMs === null ? 'no time-out' : `time-out in ${formatDuration(timeoutLeftMs)}`;
  const text = `for ${formatDuration(ageMs)}, ${limit}`;
  const to = on === null ? [] : targets(on, pid);
  const needs = on?.kind === 'submissions' && on.any ? 'any' : 'all';
  const edges = to.map((target) => ({ to: target, text: null }));
  return waiting('call', `call ${call.call}`, text, { pid, ageMs, needs, edges, device: deviceOf(to) });
}

function deviceOf(to: readonly Ref[]): number | null {
  const [first] = to;
  return first !== undefined && 'device' in first ? first.device : null;
}

function targets(on: CallTarget, pid: number): Ref[] {
  switch (on.kind) {
    case 'submissions':
      return on.submissions.map((name): Ref => ({ kind: 'submission', ...name }));
    case 'interrupt':
      return [{ kind: 'interrupt', device: on.device, interrupt: on.interrupt, pid }];
    case 'fences':
      return on.fences.map((fence) => sharedFence(fence, pid));
    case 'device':
      return [{ kind: 'device', device: on.device, status: on.status }];
    case 'memory':
      return [{ kind: 'memory', device: on.device, what: on.what, pid }];
  }
}

function sharedFence(fence: WaitedFence, pid: number): Ref {
  return { kind: 'shared', fence, pid };
}

function expandSubmission(books: Books, ref: Ref & { kind: 'submission' }): Expanded {
  const row = books.submission(ref);
  const title = `submission ${ref.seq}`;
  if (row === undefined) return leaf('submission', title, 'not in the snapshot: it is over', 'runs', ref);
  const place = { ...ref, ageMs: row.ageMs };
  if (!isUnfinished(row)) return leaf('submission', title, `over: ${row.state}`, 'runs', place);
  const text = submissionText(row);
  if (row.state === 'held') return waiting('submission', title, text, { ...place, edges: heldBy(row) });
  const { device, asid, pid } = ref;
  const queues = new Set(row.jobs.filter(({ state }) => state !== 'done').map(({ queue }) => queue));
  const edges = [...queues].map((queue) => ({
    to: { kind: 'stream', device, asid, pid, queue } as const,
    text: null,
  }));
  // All its jobs have run; what reports their end is on its way.
  if (edges.length === 0) return leaf('submission', title, text, 'runs', place);
  return waiting('submission', title, text, { ...place, edges });
}

function submissionText(row: SubmissionState): string {
  const type = row.type === 'default' ? '' : ` (${row.type})`;
  const left = row.timeoutLeftMs === null ? '' : `, time-out in ${formatDuration(row.timeoutLeftMs)}`;
  const where =
    row.state === 'held' ? heldText(row) : `${row.state}, ${plural(row.jobsLeft, 'job')} left${queuesText(row)}`;
  return `${where}${type}, ${formatDuration(row.ageMs)} old${left}`;
}

function queuesText({ jobs }: SubmissionState): string {
  const queues = [...new Set(jobs.filter(({ state }) => state !== 'done').map(({ queue }) => queue))];
  if (queues.length === 0) return '';
  return ` on ${queues.slice(0, 3).join(', ')}${queues.length > 3 ? ` and ${queues.length - 3} more` : ''}`;
}

function heldText({ fences, heldBehind }: SubmissionState): string {
  if (fences.length > 0)
    return `held until ${fences.length === 1 ? 'a fence is' : `${fences.length} fences are`} signalled`;
  return `held behind ${heldBehind ? `submission ${heldBehind}` : 'another held one'}`;
}

function heldBy({ device, asid, pid, fences, heldBehind }: SubmissionState): Expanded['edges'] {
  const edges: Expanded['edges'] = fences.map((fence) => ({ to: sharedFence(fence, pid), text: null }));
  if (heldBehind) edges.push({ to: { kind: 'submission', device, asid, pid, seq: heldBehind }, text: null });
  return edges;
}

/** What has to happen before a packet on `queue` of a submission is executed. */
function expandJob(books: Books, ref: Ref & { kind: 'job' }): Expanded {
  const { device, asid, pid, queue, seq } = ref;
  const row = books.submission(ref);
  const ageMs = row?.ageMs ?? null;
  const title = `submission ${seq}`;
  if (row?.state === 'held') {
    return waiting('submission', title, submissionText(row), { ...ref, ageMs, edges: heldBy(row) });
  }
  const line = books.onQueue(device, asid, queue).filter((other) => other.seq < seq).length;
  const place = line === 0 ? `at the head of ${queue}` : `queued on ${queue} behind ${plural(line, 'submission')}`;
  const text = `${place}${ageMs === null ? '' : `, ${formatDuration(ageMs)} old`}`;
  const edges = [{ to: { kind: 'stream', device, asid, pid, queue } as const, text: null }];
  return waiting('submission', title, text, { ...ref, ageMs, edges });
}

function expandStream(books: Books, ref: Ref & { kind: 'stream' }): Expanded {
  const { device, asid, queue } = ref;
  const state = books.queue(device, asid, queue);
  const seq = headSubmission(books, ref, state);
  const place = { ...ref, seq, ageMs: state?.oldestMs ?? null };
  const title = `queue ${queue}`;
  const of = seq === null ? '' : ` (submission ${seq})`;
  const stop = obstacle(books, ref, state);
  if (stop !== undefined) {
    const text = `${stop.text}${of}`;
    return waiting('queue', title, text, { ...place, edges: [{ to: stop.to, text: null }] });
  }
  if (state?.state === 'stopped') return leaf('queue', title, `was stopped${of}`, 'stopped', place);
  const doing = state?.head ? `runs ${state.head.text}` : 'runs';
  return leaf('queue', title, `${doing}${of}`, 'runs', place);
}

/** What keeps the stream from going on; undefined when nothing does. */
function obstacle(
  books: Books,
  ref: Ref & { kind: 'stream' },
  state: QueueState | undefined,
): { to: Ref; text: string } | undefined {
  const { device, queue } = ref;
  const status = books.device(device)?.status ?? 'operational';
  if (status !== 'operational')
    return { to: { kind: 'device', device, status }, text: `device ${device} is ${status}` };
  const at = state?.head ? `stands at ${state.head.text}` : 'stands still';
  if (state?.state === 'hung' || books.isHung(device, queue)) {
    const engine = queueByName(queue)?.engine ?? queue;
    return { to: { kind: 'engine', device, queue, engine }, text: at };
  }
  if (state?.blockedOn) return { to: { ...ref, kind: 'fence' }, text: at };
  const holder = state?.arbitration?.waiting ? state.arbitration.holder : null;
  if (holder !== null) {
    return { to: { ...ref, queue: holder }, text: `waits for the arbiter, whose grant ${holder} has` };
  }
  return undefined;
}

/** The submission whose packet the stream stands at. */
function headSubmission(books: Books, ref: Ref & { kind: 'stream' }, state: QueueState | undefined): number | null {
  if (state?.seq !== undefined && state.seq !== null) return state.seq;
  const seqs = books
    .onQueue(ref.device, ref.asid, ref.queue)
    .filter((row) => row.state !== 'held')
    .map((row) => row.seq);
  return seqs.length === 0 ? null : Math.min(...seqs);
}

function expandMonitor({ device, asid, pid, monitor }: Ref & { kind: 'monitor' }): Expanded {
  const { dcore, mode, objects } = monitor;
  const unmet = objects.filter(({ value, awaited }) => (mode === '==' ? value !== awaited : value < awaited));
  const text = `armed, fires when ${objects.map(({ sob, awaited }) => `SOB ${dcore} ${sob} ${mode} ${awaited}`).join(' and ')}`;
  const edges = unmet.map(({ sob, value, awaited }) => ({
    to: { kind: 'sob', device, dcore, sob, value, mode, awaited, asid, pid } as const,
    text: null,
  }));
  return waiting('monitor', `monitor ${dcore} ${monitor.monitor}`, text, { device, asid, pid, edges });
}

function expandShared({ fence, pid }: Ref & { kind: 'shared' }): Expanded {
  const { name, producer, buffer } = fence;
  const on = buffer === null ? '' : ` of dma-buf ${buffer}`;
  const title = `fence ${name}`;
  if (producer !== null) {
    const text = `not signalled${on}; stands for submission ${producer.seq} of pid ${producer.pid}`;
    return waiting('shared fence', title, text, {
      pid,
      edges: [{ to: { kind: 'submission', ...producer }, text: null }],
    });
  }
  return leaf('shared fence', title, `not signalled${on}; stands for no submission`, 'unknown', { pid });
}

function expandProcess(books: Books, pid: number): Expanded {
  const program = books.program(pid);
  const calls = books.callsOf(pid);
  const edges = calls.map((index) => ({ to: { kind: 'call', index } as const, text: null }));
  const title = `pid ${pid}`;
  if (edges.length > 0) {
    return waiting('process', title, `${program} is itself waiting`, { pid, needs: 'any', edges });
  }
  return leaf('process', title, `${program} is alive, in no call, and has queued nothing that would`, 'may act', {
    pid,
  });
}

function expandDevice(books: Books, { device, status }: Ref & { kind: 'device' }): Expanded {
  const row = books.device(device);
  const now = row?.status ?? status;
  const reset = row?.lastReset;
  const reason = reset ? `; reset: ${reset.reason}, ${formatDuration(reset.ageMs)} ago` : '';
  return leaf('device', `device ${device}`, `${now}${reason}`, 'device', { device });
}

/** Any work of the process on the device may be what raises it. */
function expandInterrupt(books: Books, { device, interrupt, pid }: Ref & { kind: 'interrupt' }): Expanded {
  const own = (books.snapshot.submissions ?? []).filter((row) => {
    return row.device === device && row.pid === pid && isUnfinished(row);
  });
  const title = `interrupt ${interrupt}`;
  if (own.length === 0) {
    const text = `not raised; pid ${pid} has nothing in flight on device ${device} that could`;
    return leaf('interrupt', title, text, 'nobody', { device, pid });
  }
  const edges = own.map(({ asid, seq }) => ({
    to: { kind: 'submission', device, asid, pid, seq } as const,
    text: 'may raise it',
  }));
  return waiting('interrupt', title, 'not raised', { device, pid, needs: 'any', edges });
}
