/**
 * A process that imports what it is sent the token of, says so, and lets go of it again. Arguments: the daemon's socket, that of the process
 * that measures.
 */
import { connect } from 'node:net';
import { openDevice } from '@pedrera/thunk';
import { bindToParent, tellParent } from '../references/worker.js';

const [daemon = '', peer = ''] = process.argv.slice(2);

bindToParent();
const device = await openDevice(1, { socketPath: daemon });
const socket = connect(peer, () => tellParent({ ready: true }));
socket.setEncoding('utf8').on('data', (token: string) => {
  void device.importDmaBuf(token).then(async (buffer) => {
    socket.write('i');
    await buffer.close();
    socket.write('c');
  });
});
socket.on('error', () => socket.destroy());
