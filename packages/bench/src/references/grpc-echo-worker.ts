/** A process that serves the echo over gRPC. Argument: the path of its Unix socket. */
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { ECHO } from './grpc-service.js';
import { bindToParent, tellParent } from './worker.js';

bindToParent();
const server = new Server();
server.addService(
  { Echo: ECHO },
  {
    Echo: (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) => done(null, call.request),
  },
);
server.bindAsync(`unix:${process.argv[2]}`, ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error;
  tellParent({ ready: true });
});
