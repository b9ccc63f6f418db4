/** What can wait or be waited for, and how it is named in the graph. */
import type { AwaitedMonitor, SubmissionName, WaitedFence } from '@pedrera/uapi';

export type Ref =
  | { kind: 'call'; index: number }
  | ({ kind: 'submission' } & SubmissionName)
  /** A submission as far as its job on one queue goes: what a packet in it waits for. */
  | ({ kind: 'job'; queue: string } & SubmissionName)
  | { kind: 'stream'; device: number; asid: number; pid: number; queue: string }
  | { kind: 'fence'; device: number; asid: number; pid: number; queue: string }
  | { kind: 'monitor'; device: number; asid: number; pid: number | null; monitor: AwaitedMonitor }
  | {
      kind: 'sob';
      device: number;
      dcore: string;
      sob: number;
      value: number;
      mode: string;
      awaited: number;
      asid: number;
      pid: number | null;
    }
  | { kind: 'shared'; fence: WaitedFence; pid: number }
  | { kind: 'process'; pid: number }
  | { kind: 'engine'; device: number; queue: string; engine: string }
  | { kind: 'device'; device: number; status: string }
  | { kind: 'interrupt'; device: number; interrupt: number; pid: number }
  | { kind: 'memory'; device: number; what: string; pid: number }
  | ({ kind: 'unread'; queue: string } & SubmissionName)
  /** Packets of a device that were not searched. */
  | { kind: 'cut'; device: number };

export function idOf(ref: Ref): string {
  switch (ref.kind) {
    case 'call':
      return `call ${ref.index}`;
    case 'submission':
      return `cs ${ref.device}/${ref.asid}/${ref.seq}`;
    case 'job':
      return `job ${ref.device}/${ref.asid}/${ref.seq}/${ref.queue}`;
    case 'unread':
      return `packets ${ref.device}/${ref.asid}/${ref.seq}/${ref.queue}`;
    case 'cut':
      return `packets ${ref.device}`;
    case 'stream':
      return `queue ${ref.device}/${ref.asid}/${ref.queue}`;
    case 'fence':
      return `fence ${ref.device}/${ref.asid}/${ref.queue}`;
    case 'monitor':
      return `monitor ${ref.device}/${ref.monitor.dcore}/${ref.monitor.monitor}`;
    case 'sob':
      return `sob ${ref.device}/${ref.dcore}/${ref.sob}${ref.mode}${ref.awaited}`;
    case 'shared':
      return `fence ${ref.fence.name}`;
    case 'process':
      return `pid ${ref.pid}`;
    case 'engine':
      return `engine ${ref.device}/${ref.engine}`;
    case 'device':
      return `device ${ref.device}`;
    case 'interrupt':
      return `interrupt ${ref.device}/${ref.interrupt}`;
    case 'memory':
      return `memory ${ref.device}/${ref.pid}`;
  }
}
