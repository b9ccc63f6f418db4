/** @pedrera/thunk: the userspace library. `openDevice` is the way in; `connectDaemon` looks into a daemon from outside. */
export { ERRNO, type ErrnoCode, HlError } from '@pedrera/base';
export {
  type ArmMonitor,
  CommandBuffer,
  type Condition,
  type Fence,
  type LinDma,
  type MemSet,
  type MsgLong,
  type WaitFor,
} from './command-buffer.js';
export { Device, type OpenOptions, openDevice } from './device.js';
export { DeviceMemory, type DeviceMemoryOptions, SramLease } from './device-memory.js';
export { HostBuffer, type HostBufferOptions } from './host-buffer.js';
export type { DeviceInfo } from './info.js';
export { connectDaemon, DaemonClient } from './inspect.js';
export { Queue, type QueueName } from './queue.js';
export { DeviceRegion, type Endpoint } from './region.js';
export type { ConnectOptions, Greeting } from './session.js';
export { type Exportable, ImportedBuffer, SharedBuffer, type SharedKind } from './sharing.js';
export {
  type CommandBufferJob,
  type Job,
  type MemoryJob,
  Submission,
  SubmitBatchError,
  type SubmitOptions,
  type SubmitRequest,
  WaitExpired,
  type WaitOptions,
  type WaitResult,
} from './submission.js';
export {
  Dcore,
  type DcoreId,
  type Monitor,
  monitorAddresses,
  type RemoteSyncObject,
  SyncLease,
  type SyncObject,
} from './sync.js';
export type { Barriers } from './sync-packets.js';
