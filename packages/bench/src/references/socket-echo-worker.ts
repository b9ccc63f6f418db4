/** A process that sends back every byte it gets on a Unix socket, as barely as Node can. Argument: the path. */
import { createServer } from 'node:net';
import { bindToParent, tellParent } from './worker.js';

bindToParent();
const server = createServer((socket) => {
  socket.on('data', (chunk) => socket.write(chunk));
  socket.on('error', () => socket.destroy());
});
server.listen(process.argv[2], () => tellParent({ ready: true }));
process.on('message', () => tellParent({ residentBytes: process.memoryUsage.rss() }));
