/**
 * For tests: a daemon with nothing behind it. It answers HELLO and the inspections with the documents it is given, so a test
 * decides what there is to see, and when the daemon is gone.
 */
import { ERRNO } from '@pedrera/base';
import {
  byCode,
  type ClientsSnapshot,
  type DaemonSnapshot,
  MAX_FRAME_BYTES,
  MAX_IN_FLIGHT,
  PROTOCOL_VERSION,
  type QueuesSnapshot,
  resToWire,
} from '@pedrera/uapi';
import { listen } from '@pedrera/wire';

interface Documents {
  readonly queues: QueuesSnapshot;
  readonly clients: ClientsSnapshot;
  readonly daemon: DaemonSnapshot;
}

export interface FakeDaemon extends AsyncDisposable {
  /** Ends every connection and the listener. */
  close(): Promise<void>;
}

export async function startFakeDaemon(socketPath: string, documents: Partial<Documents>): Promise<FakeDaemon> {
  const answers: Readonly<Record<string, object | undefined>> = {
    HELLO: {
      version: PROTOCOL_VERSION,
      daemonPid: process.pid,
      policy: 'shared',
      devices: 1,
      maxFrameBytes: MAX_FRAME_BYTES,
      maxInFlight: MAX_IN_FLIGHT,
      build: 'fake',
    },
    INSPECT_QUEUES: documents.queues && { snapshot: documents.queues },
    INSPECT_CLIENTS: documents.clients && { snapshot: documents.clients },
    INSPECT_DAEMON: documents.daemon && { snapshot: documents.daemon },
  };
  const listener = await listen(socketPath, {
    maxFrameBytes: MAX_FRAME_BYTES,
    onConnection: (connection) => {
      connection.onProtocolError(() => connection.destroy());
      connection.onMessage(([id, code]) => {
        const entry = byCode(Number(code));
        const answer = entry && answers[entry.name];
        if (entry === undefined || answer === undefined) connection.send([id, ERRNO.ENXIO, 'the fake daemon has none']);
        else connection.send([id, 0, resToWire(entry, answer)]);
      });
    },
  });
  const close = () => listener.close();
  return { close, [Symbol.asyncDispose]: close };
}
