/**
 * A process with many clients that do nothing: each says HELLO, opens a device and is silent from then on.
 *
 * They are bare connections, so that this process, which shares the machine, stays small. Arguments: kind, socket, devices.
 */

import { errnoCode, HlError } from '@pedrera/base';
import { MAX_FRAME_BYTES, PROTOCOL_VERSION } from '@pedrera/uapi';
import { type Connection, connect } from '@pedrera/wire';
import { bindToParent, tellParent } from '../references/worker.js';
import { requestMessage } from '../request-bytes.js';
import type { CrowdKind, CrowdReply, CrowdRequest } from './crowd-protocol.js';

const PROGRAM = 'idle client';
/** Connections that are made at once; a listening socket lets only so many wait. */
const AT_ONCE = 64;
const NS_PER_MS = 1e6;

const [kind, socketPath = '', devices] = process.argv.slice(2) as [CrowdKind, string, string];
const crowd: Connection[] = [];

async function join(index: number): Promise<void> {
  const connection = await connect(socketPath, { maxFrameBytes: MAX_FRAME_BYTES });
  crowd.push(connection);
  await exchange(connection, requestMessage('HELLO', { version: PROTOCOL_VERSION, program: PROGRAM }));
  await exchange(connection, requestMessage('OPEN', { node: `hl${index % Number(devices)}` }));
}

function exchange(connection: Connection, message: unknown[]): Promise<void> {
  return new Promise((resolve, reject) => {
    connection.onMessage(([, errno, detail]) => {
      if (kind === 'daemon' && errno !== 0) reject(new HlError(errnoCode(errno as number) ?? 'EPROTO', String(detail)));
      else resolve();
    });
    connection.onClose((reason) => reject(new Error('a client lost its connection', { cause: reason })));
    connection.send(message);
  });
}

async function grow(clients: number): Promise<void> {
  let next = crowd.length;
  const one = async () => {
    while (next < clients) await join(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

async function leave(): Promise<void> {
  await Promise.all(
    crowd.splice(0).map(
      (connection) =>
        new Promise<void>((resolve) => {
          connection.onClose(() => resolve());
          connection.close();
        }),
    ),
  );
}

bindToParent();
process.on('message', ({ clients }: CrowdRequest) => {
  const start = performance.now();
  const done = clients === 0 ? leave() : grow(clients);
  done.then(
    () => {
      const reply: CrowdReply = { tookNs: (performance.now() - start) * NS_PER_MS };
      tellParent(reply);
    },
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
