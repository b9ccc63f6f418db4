/**
 * What keeps a stream or a submission from going on, in words, for the views that show many of them: queues, cs and the page.
 *
 * Owns: those sentences, a shorter and a longer form of some. Pure. Must not know: tables; who is to blame, which is what `why` is for.
 */
import type {
  AwaitedMonitor,
  Blockage,
  QueueArbitration,
  QueueState,
  SubmissionState,
  WaitedFence,
} from '@pedrera/uapi';

/** What a stream does. What the daemon says, or what follows from the counts where it does not. */
export function stateOf({ state, blockedOn, pending, inFlight }: QueueState): string {
  return state ?? (blockedOn !== null ? 'fence' : pending + inFlight > 0 ? 'running' : 'idle');
}

export function isUnfinished({ state }: Pick<SubmissionState, 'state'>): boolean {
  return state !== 'done' && state !== 'failed';
}

/** Why a stream stands; null when it does not. */
export function obstacleText({ blockedOn, arbitration, state }: QueueState): string | null {
  if (blockedOn !== null) return blockageText(blockedOn);
  if (arbitration?.waiting === true) {
    const { holder } = arbitration;
    return holder === null ? 'waits for the arbiter' : `waits for the arbiter, who serves ${holder}`;
  }
  if (state === 'hung') return 'the engine hangs';
  return state === 'stopped' ? 'stopped after an error' : null;
}

function blockageText({ fence, monitors }: Blockage): string {
  if (monitors.length === 0) return `fence ${fence.id} ${needsText(fence)}; ${NO_MONITOR}`;
  const awaited = monitors.flatMap(conditions).map((pieces) => pieces.join(' '));
  return `fence ${fence.id} waits for ${awaited.join(' and ')}`;
}

/** One list for each monitor that could release the stream; no piece should be broken. */
export function blockagePieces({ fence, monitors }: Blockage): string[][] {
  const head = [`blocked at fence ${fence.id}:`, `${needsText(fence)};`];
  return monitors.length === 0 ? [[...head, NO_MONITOR]] : monitors.map((one) => [...head, ...monitorPieces(one)]);
}

const NO_MONITOR = 'no armed monitor points at it';

function needsText({ target, value }: Blockage['fence']): string {
  return `needs ${target}, has ${value}`;
}

function monitorPieces(armed: AwaitedMonitor): string[] {
  const awaited = conditions(armed).flatMap((pieces, i) => (i === 0 ? pieces : ['and', ...pieces]));
  return [`monitor ${armed.dcore} ${armed.monitor}`, 'waits for', ...awaited];
}

/** `SOB E_N 8` and `>= 1, now 0`, for each sync object. */
function conditions({ dcore, mode, objects }: AwaitedMonitor): string[][] {
  return objects.map(({ sob, value, awaited }) => [`SOB ${dcore} ${sob}`, `${mode} ${awaited}, now ${value}`]);
}

export function arbitrationPieces({ holder, quiet, mode, priority, weight }: QueueArbitration): string[] {
  const who = holder !== null ? `who serves ${holder}` : quiet ? 'whose quiet time is not over' : 'who serves nobody';
  const share = mode === 'priority' ? `(priority ${priority})` : `(weight ${weight})`;
  return ['waits for the arbiter', `${share},`, who];
}

/** Of a held submission, as one line of many. */
export function heldText(row: SubmissionState): string {
  const waits = row.fences.map(({ name, producer }) => (producer === null ? name : `${name} of pid ${producer.pid}`));
  return waits.length === 0 ? heldBehind(row) : `held back until ${waits.join(' and ')} is signalled`;
}

/** The same below a line that says whose it is. */
export function heldNote(row: SubmissionState): string {
  return row.fences.length === 0 ? heldBehind(row) : `held back until ${row.fences.map(endText).join(' and ')}`;
}

/** The same as a line of its own. */
export function heldLine(row: SubmissionState, age: string): string {
  const { pid, asid, seq, jobs, fences } = row;
  const queues = [...new Set(jobs.map(({ queue }) => queue))].join(', ');
  const waits = fences.map(({ name, producer, buffer }) => {
    const who = producer === null ? '' : ` of pid ${producer.pid}'s submission ${producer.seq}`;
    return `fence ${name}${who}${buffer === null ? '' : ` on dma-buf ${buffer}`}`;
  });
  const why = waits.length === 0 ? `behind ${workBefore(row)}` : `for ${waits.join(' and ')}`;
  return `held back ${age}: submission ${seq} of pid ${pid} (ASID ${asid}) for ${queues} waits ${why}`;
}

function heldBehind(row: SubmissionState): string {
  return `held back behind ${workBefore(row)}`;
}

function workBefore({ heldBehind: seq }: SubmissionState): string {
  return seq == null ? 'work before it' : `submission ${seq}`;
}

function endText({ name, producer, buffer }: WaitedFence): string {
  const who =
    producer === null
      ? `fence ${name}`
      : `submission ${producer.seq} of pid ${producer.pid} on device ${producer.device}`;
  return buffer === null ? `${who} ends` : `${who} ends (dma-buf ${buffer})`;
}

/** Why a queue does not get on with a submission's job; null when it does. */
export function jobText(queue: QueueState, { seq }: SubmissionState): string | null {
  if (queue.seq != null && queue.seq < seq) return `behind submission ${queue.seq} on ${queue.name}`;
  if (queue.blockedOn !== null) return `${queue.name}: ${queue.blockedOn.reason}`;
  if (queue.arbitration?.waiting === true) {
    return `${queue.name} waits for the arbiter, who serves ${queue.arbitration.holder ?? 'nobody'}`;
  }
  return queue.state === 'hung' ? `${queue.name} hangs` : null;
}
