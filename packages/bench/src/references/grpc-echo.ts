/** gRPC over a Unix socket, seen from the side that measures. Owns the server's process and the client. */
import { Client, credentials } from '@grpc/grpc-js';
import type { BenchContext } from '../benchmark.js';
import { ECHO } from './grpc-service.js';

export class GrpcEcho implements AsyncDisposable {
  readonly #client: Client;

  private constructor(client: Client) {
    this.#client = client;
  }

  static async start(context: BenchContext): Promise<GrpcEcho> {
    const socketPath = await context.socketPath('grpc.sock');
    const server = await context.process(new URL('./grpc-echo-worker.js', import.meta.url), [socketPath]);
    await server.next();
    return context.use(new GrpcEcho(new Client(`unix:${socketPath}`, credentials.createInsecure())));
  }

  roundTrip(message: Buffer): Promise<Buffer> {
    const { path, requestSerialize, responseDeserialize } = ECHO;
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(path, requestSerialize, responseDeserialize, message, (error, reply) => {
        if (error !== null) reject(error);
        else resolve(reply ?? Buffer.alloc(0));
      });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.close();
  }
}
