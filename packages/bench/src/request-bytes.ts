/** The bytes a request has on the socket, for references that carry the same ones. */
import { encodeCall, entryOf, type IoctlName, type Req, toWire } from '@pedrera/uapi';
import { encodeFrame } from '@pedrera/wire';

/** Takes as many bytes as most ids of a run do. */
const TYPICAL_ID = 1000;

/** [id, code, [fields]]. */
export function requestMessage<N extends IoctlName>(name: N, req: Req<N>): unknown[] {
  const entry = entryOf(name);
  return [TYPICAL_ID, entry.code, toWire(entry, req)];
}

export function requestBytes<N extends IoctlName>(name: N, req: Req<N>): Buffer {
  return encodeFrame(requestMessage(name, req));
}

/** A submission of one command buffer. */
export function submissionBytes(handle: Req<'CS'>['chunksExecute'][number]['handle'], size: number): Buffer {
  return requestBytes('CS', {
    chunksRestore: [],
    chunksExecute: [{ handle, queueIndex: 0, size, flags: 0 }],
    seq: 0,
    timeoutSec: 0,
    flags: 0,
  });
}

/** How many bytes a C program's call has there: [id, command, block, [buffers]]. */
export function rawCallBytes<N extends IoctlName>(name: N, req: Req<N>): number {
  const { cmd, block, buffers } = encodeCall(entryOf(name), req);
  return encodeFrame([TYPICAL_ID, cmd, block, [...buffers]]).length;
}
