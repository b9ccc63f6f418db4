/**
 * Looking into a running daemon, without opening a device.
 *
 * Owns: the connection and its questions. Must not know: how answers are shown.
 */
import type {
  BuffersSnapshot,
  ClientsSnapshot,
  DaemonSnapshot,
  IoctlName,
  QueuesSnapshot,
  Req,
  Res,
  RingSnapshot,
  Snapshot,
} from '@pedrera/uapi';
import type { IoctlClient } from './ioctl-client.js';
import { type ConnectOptions, type Greeted, type Greeting, greet } from './session.js';
import { addPage, type InspectOptions } from './snapshot.js';
import { type Recording, startRecording, type TraceOptions } from './trace.js';

export interface RingOptions {
  readonly device: number;
  readonly queue: number;
  readonly asid?: number;
  readonly from?: number;
  readonly to?: number;
}

const ALL_DEVICES = -1;

export class DaemonClient {
  /** What the daemon said of itself: pid, policy, number of devices, build. */
  readonly greeting: Greeting;
  readonly socketPath: string;
  readonly #client: IoctlClient;
  /** The last look begun; the daemon keeps one snapshot a connection, whose pages are told in their order. */
  #lastLook: Promise<unknown> = Promise.resolve();

  constructor({ client, greeting, socketPath }: Greeted) {
    this.#client = client;
    this.greeting = greeting;
    this.socketPath = socketPath;
  }

  /** Every stream of one device, or of all: how full, how far, at which packet, and what it is blocked on. Errors: ENXIO. */
  async inspectQueues(device: number = ALL_DEVICES): Promise<QueuesSnapshot> {
    return (await this.#client.call('INSPECT_QUEUES', { device })).snapshot;
  }

  /** Every open file: whose it is, what it holds, what it has in flight. */
  async inspectClients(): Promise<ClientsSnapshot> {
    return (await this.#client.call('INSPECT_CLIENTS', {})).snapshot;
  }

  /** Every dma-buf. */
  async inspectBuffers(): Promise<BuffersSnapshot> {
    const { snapshot } = await this.#client.call('INSPECT_BUFFERS', {});
    // They may not fit one answer; the totals are those of the first.
    for (let from = snapshot.next; from !== null; ) {
      const { snapshot: more } = await this.#client.call('INSPECT_BUFFERS', { from });
      snapshot.buffers.push(...more.buffers);
      from = more.next;
    }
    return { ...snapshot, next: null };
  }

  /** The daemon itself and its devices. */
  async inspectDaemon(): Promise<DaemonSnapshot> {
    return (await this.#client.call('INSPECT_DAEMON', {})).snapshot;
  }

  /**
   * What is asked for, all of it as it was at one moment. A second look begins when all of the first is there. Errors: ENXIO, ESRCH for a
   * process nothing is known of.
   */
  inspect(options: InspectOptions): Promise<Snapshot> {
    const look = () => this.#look(options);
    const looked = this.#lastLook.then(look, look);
    this.#lastLook = looked;
    return looked;
  }

  async #look({ sections, device = ALL_DEVICES, pid = 0, address = 0, about = 0 }: InspectOptions): Promise<Snapshot> {
    const request = { sections, device, pid, address, about };
    const { snapshot: whole, next } = await this.#client.call('INSPECT_SNAPSHOT', { ...request, page: 0 });
    for (let page = next; page !== 0; ) {
      const more = await this.#client.call('INSPECT_SNAPSHOT', { ...request, page });
      addPage(whole, more.snapshot);
      page = more.next;
    }
    return whole;
  }

  /**
   * The entries of a queue's ring with their packets: of the slots [from, to), or without them from a few before the oldest unfinished one
   * up to the producer. `asid` is needed where several contexts use the queue. Errors: ENXIO, EINVAL, ENOENT.
   */
  async inspectRing({ device, queue, asid = 0, from = 0, to = 0 }: RingOptions): Promise<RingSnapshot> {
    return (await this.#client.call('INSPECT_RING', { device, queue, asid, from, to })).snapshot;
  }

  /** Begins a recording, which ends with this connection at the latest. Calls of this connection are not in it. Errors: ENOSPC. */
  trace(options: TraceOptions = {}): Promise<Recording> {
    return startRecording(this.#client, options);
  }

  /** Any call that needs no open device. */
  ioctl<N extends IoctlName>(name: N, req: Req<N>): Promise<Res<N>> {
    return this.#client.call(name, req);
  }

  /** Resolves when the connection is closed. */
  close(): Promise<void> {
    return this.#client.close();
  }

  [Symbol.dispose](): void {
    void this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Errors: ENOENT, ECONNREFUSED, EACCES when there is no daemon to be had; EPROTO or EPROTONOSUPPORT for another version; ETIMEDOUT. */
export async function connectDaemon(options: ConnectOptions = {}): Promise<DaemonClient> {
  return new DaemonClient(await greet(options));
}
