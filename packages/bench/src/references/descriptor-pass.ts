/**
 * Passing a bare descriptor to another process (SCM_RIGHTS), seen from the side that measures: a memfd there, a message back.
 *
 * Owns: the other process, the socket between the two, the memory whose descriptor is passed.
 */
import { MAX_FRAME_BYTES } from '@pedrera/uapi';
import { type Connection, listen, SharedMemory } from '@pedrera/wire';
import type { BenchContext } from '../benchmark.js';

export class DescriptorPass {
  readonly #connection: Connection;
  #answered: () => void = () => {};

  private constructor(connection: Connection) {
    this.#connection = connection;
    connection.onMessage(() => this.#answered());
  }

  static async start(context: BenchContext): Promise<DescriptorPass> {
    const path = await context.socketPath('descriptors.sock');
    let arrived: (connection: Connection) => void = () => {};
    const connected = new Promise<Connection>((resolve) => {
      arrived = resolve;
    });
    const listener = await listen(path, {
      maxFrameBytes: MAX_FRAME_BYTES,
      onConnection: (connection) => arrived(connection),
    });
    await context.use({ [Symbol.asyncDispose]: () => listener.close() });
    const process = await context.process(new URL('./descriptor-worker.js', import.meta.url), [path]);
    await process.next();
    return new DescriptorPass(await connected);
  }

  /** Makes `size` bytes of memory, passes its descriptor and waits until the other side has it. */
  async roundTrip(size: number): Promise<void> {
    const memory = SharedMemory.create('bench', size);
    const answered = new Promise<void>((resolve) => {
      this.#answered = resolve;
    });
    this.#connection.sendDescriptor(1, memory.fd);
    await answered;
    memory.close();
  }
}
