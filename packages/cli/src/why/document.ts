/**
 * What `pedrera why` answers: the wait graph of one snapshot, and what is to blame for what.
 *
 * Owns: the document `pedrera.why/1`. Must not know: how the graph is built or shown.
 */
import type { Snapshot } from '@pedrera/uapi';

/** How far a wait can come by itself. Ordered: `stuck` never, `depends` when somebody does something, `moves` soon. */
export type Fate = 'stuck' | 'depends' | 'moves';

/** Why a node that waits for nothing further is where it is; null for one that waits. */
export type End =
  /** Hardware is at work on it. */
  | 'runs'
  /** A live process that is in no call: it may do something, or not. */
  | 'may act'
  /** What could signal lies in device memory and was not read. */
  | 'unread'
  /** The device is being reset, or is disabled. */
  | 'device'
  | 'hung'
  | 'stopped'
  /** Nothing queued and nobody alive can end this wait. */
  | 'nobody'
  /** The snapshot does not say more. */
  | 'unknown';

type NodeKind =
  | 'call'
  | 'submission'
  | 'queue'
  | 'fence'
  | 'monitor'
  | 'sync object'
  | 'shared fence'
  | 'process'
  | 'engine'
  | 'device'
  | 'interrupt'
  | 'memory'
  | 'packets';

export interface WaitNode {
  id: string;
  kind: NodeKind;
  /** Short: `submission 7`, `queue DMA_0_0`. */
  title: string;
  /** The values that matter: `needs 1, has 0`. */
  text: string;
  device: number | null;
  asid: number | null;
  pid: number | null;
  seq: number | null;
  queue: string | null;
  ageMs: number | null;
  /** Whether it goes on with all of what it waits for, or with any. */
  needs: 'all' | 'any';
  end: End | null;
  fate: Fate;
  /** What a reader should know besides: who could have, and is gone. */
  notes: string[];
}

/** `from` waits for `to`. */
export interface WaitEdge {
  from: string;
  to: string;
  /** The packet that would end the wait, if it is known: `queued: MSG_SHORT SOB 8 +1`. */
  text: string | null;
}

export interface WaitGraph {
  nodes: Map<string, WaitNode>;
  /** By the waiting node. */
  edges: Map<string, WaitEdge[]>;
  /** What was waiting in the first place: calls, and submissions. */
  starts: string[];
  /** For nodes that are not stuck: in which order that was found out. What a node owes its fate to comes before it. */
  settled: Map<string, number>;
}

export type CauseKind =
  | 'deadlock'
  /** The packet that would signal is queued behind the one that waits. */
  | 'behind itself'
  | 'nobody signals'
  | 'not submitted'
  | 'hung engine'
  | 'stopped queue'
  | 'device'
  | 'unread packets'
  | 'unknown'
  | 'running';

export interface Cause {
  kind: CauseKind;
  /** The root cause in one sentence. */
  sentence: string;
  fate: Fate;
  /** False when a program could still end it in a way the daemon cannot foresee (another thread of it, say). */
  certain: boolean;
  /** The node that is to blame. */
  root: string;
  /** The nodes of the circle, in the order they wait; null when there is none. */
  cycle: string[] | null;
  /** From a waiting call or submission to the root, or once around the circle. */
  chain: string[];
  /** Everything that waits because of it: ids of calls and submissions. */
  waiting: string[];
  /** The processes of `waiting`. */
  pids: number[];
  lookNext: { command: string; why: string }[];
}

export interface WhyDocument {
  schema: 'pedrera.why/1';
  daemon: Snapshot['daemon'];
  /** What was asked for; both null for everything. */
  asked: { pid: number | null; seq: number | null };
  /** Worst first. Waits that move by themselves only when they were asked for. */
  causes: Cause[];
  /** Fences and sync objects whose signallers were not searched for, because too many are waited for at once. */
  notSearched: number;
  /** Calls and submissions that wait and will be through by themselves. */
  moving: number;
  /** Those in the chains and circles. */
  nodes: WaitNode[];
  edges: WaitEdge[];
  /** Program of each process that is named. */
  programs: { pid: number; program: string }[];
}
