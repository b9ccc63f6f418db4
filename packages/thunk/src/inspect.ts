/**
 * Looking into a running daemon, without opening a device.
 *
 * Owns: the connection and its four questions. Must not know: how answers are shown.
 */
import type {
  BuffersSnapshot,
  ClientsSnapshot,
  DaemonSnapshot,
  IoctlName,
  QueuesSnapshot,
  Req,
  Res,
} from '@pedrera/uapi';
import type { IoctlClient } from './ioctl-client.js';
import { type ConnectOptions, type Greeted, type Greeting, greet } from './session.js';

const ALL_DEVICES = -1;

export class DaemonClient {
  /** What the daemon said of itself: pid, policy, number of devices, build. */
  readonly greeting: Greeting;
  readonly socketPath: string;
  readonly #client: IoctlClient;

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
