/** @pedrera/wire: frames, codec, Unix sockets, descriptor passing, shared memory. */
export { Connection, type ConnectionOptions, type FrameTap } from './connection.js';
export { decodeMessage } from './decode.js';
export { MAX_DEPTH, MAX_VALUES } from './dialect.js';
export { encodeFrame, FrameWriter } from './encode.js';
export { EventFd, isEventFd } from './event-fd.unsafe.js';
export { FRAME_HEADER_BYTES, FrameError, FrameReader } from './frame.js';
export { HandedDescriptor, socketIdentity } from './handed-descriptor.unsafe.js';
export {
  allowTracer,
  ProcessMemory,
  pidfdGetfd,
  pidfdOpen,
  processVmRead,
  processVmWrite,
} from './other-process.unsafe.js';
export { type PeerCredentials, peerCredentials } from './peer-credentials.unsafe.js';
export { type ProcessArea, ProcessAreas } from './process-areas.unsafe.js';
export { currentProcessor, ThreadProcessors, yieldProcessor } from './processors.unsafe.js';
export { connect, DEFAULT_HIGH_WATER_BYTES, type Listener, type ListenOptions, listen } from './server.js';
export { MAX_SHARED_MEMORY_BYTES, MAX_VIEW_BYTES, MappedView, SharedMemory } from './shared-memory.unsafe.js';
export { type ReceivedDescriptor, SideChannel, sendDescriptor } from './side-channel.unsafe.js';
export { MAX_SOCKET_PATH_BYTES } from './socket-address.unsafe.js';
export { defaultSocketPath } from './socket-path.js';
