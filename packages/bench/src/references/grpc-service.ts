/** The service both ends of the gRPC comparison agree on: bytes in, the same bytes out, no .proto files. */
import type { MethodDefinition } from '@grpc/grpc-js';

const asIs = (bytes: Buffer): Buffer => bytes;

export const ECHO: MethodDefinition<Buffer, Buffer> = {
  path: '/pedrera.bench.Echo/Echo',
  requestStream: false,
  responseStream: false,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
};
