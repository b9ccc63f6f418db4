/** From memory of one process's device to a mapping of it on another process's: export, pass, import. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { openDevice } from '@pedrera/thunk';
import type { BenchContext } from '../benchmark.js';
import { compareLatencies } from '../latency.js';
import { DescriptorPass } from '../references/descriptor-pass.js';
import { type Figure, figure } from '../report.js';

const SIZE = 2 * 2 ** 20;

export async function passFigures(context: BenchContext): Promise<Figure[]> {
  const { socketPath } = await context.daemon();
  const device = await context.use(openDevice(0, { socketPath }));
  const memory = await device.allocHbm(SIZE);
  const importer = await Importer.start(context, socketPath);
  const descriptors = await DescriptorPass.start(context);
  const sides = [
    {
      name: 'export, pass, import',
      run: async (imported: () => void) => {
        const shared = await device.exportDmaBuf(memory);
        await importer.import(shared.token, imported);
        await shared.close();
      },
    },
    { name: 'descriptor', run: () => descriptors.roundTrip(SIZE) },
  ];
  const [ours, reference] = await compareLatencies(sides, context.turns);
  return [50, 99].map((percentile) =>
    figure({
      name: `export, pass and import, p${percentile}`,
      unit: 'ns',
      ours: ours?.lap.percentile(percentile) ?? Number.NaN,
      reference: { name: 'bare descriptor', value: reference?.whole.percentile(percentile) ?? Number.NaN },
    }),
  );
}

/** The process that imports, seen from the one that exports. */
class Importer {
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  static async start(context: BenchContext, daemon: string): Promise<Importer> {
    const path = await context.socketPath('importer.sock');
    const server = createServer();
    const connected = once(server, 'connection');
    server.listen(path);
    await once(server, 'listening');
    const process = await context.process(new URL('../clients/importer-worker.js', import.meta.url), [daemon, path]);
    await process.next();
    const [socket] = (await connected) as [Socket];
    socket.on('error', () => socket.destroy());
    server.close();
    await context.use({ [Symbol.asyncDispose]: async () => void socket.destroy() });
    return new Importer(socket);
  }

  /** Resolves when the other side has let go again; tells when it had it. */
  import(token: string, imported: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      let said = 0;
      const onData = (bytes: Buffer) => {
        if (said === 0) imported();
        said += bytes.length;
        if (said < 2) return;
        this.#socket.off('data', onData).off('close', onClose);
        resolve();
      };
      const onClose = () => reject(new Error('the importing process is gone'));
      this.#socket.on('data', onData).on('close', onClose);
      this.#socket.write(token);
    });
  }
}
