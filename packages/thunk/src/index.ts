/** @pedrera/thunk: the userspace library. `openDevice` is the way in; `connectDaemon` looks into a daemon from outside. */
export { ERRNO, type ErrnoCode, HlError } from '@pedrera/base';
export { CommandBuffer } from './command-buffer.js';
export { Device, type OpenOptions, openDevice } from './device.js';
export { DeviceMemory, type DeviceMemoryOptions, SramLease } from './device-memory.js';
export {
  AttachedMemory,
  Attachment,
  type AttachOptions,
  type BufferAccess,
  DmaBuf,
  type MapDirection,
  type SharedKind,
} from './dma-buf.js';
export type { DeviceEventName, DeviceEvents, EventOptions } from './events.js';
export { HostBuffer, type HostBufferOptions } from './host-buffer.js';
export type { DeviceInfo } from './info.js';
export { connectDaemon, DaemonClient, type RingOptions } from './inspect.js';
export { type AnyResult, waitAll } from './multi-wait.js';
export {
  type ArmMonitor,
  type Condition,
  type CpDma,
  type Fence,
  type LinDma,
  type MemSet,
  type MsgLong,
  PacketWriter,
  type WaitFor,
} from './packet-writer.js';
export { Program, type ProgramPlace } from './program.js';
export { Queue, type QueueName } from './queue.js';
export {
  MemoryRegion,
  NetworkCard,
  openNetworkCard,
  type RegisterOptions,
  type Transfer,
  TransferError,
} from './rdma.js';
export { DeviceRegion, type Endpoint } from './region.js';
export type { ConnectOptions, Greeting } from './session.js';
export { SharedDescriptor, type TokenOptions } from './shared-descriptor.js';
export { type Exportable, ImportedBuffer, SharedBuffer } from './sharing.js';
export { CollectiveEngine, type CollectiveEngineId, Reservation, Signal, type SignalOptions } from './signals.js';
export type { InspectOptions } from './snapshot.js';
export { type Part, StagedSubmission, type StageOptions } from './staged.js';
export {
  type CommandBufferJob,
  type Job,
  type MemoryJob,
  type ProgramJob,
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
export { type FenceState, SyncFile, type SyncFileState } from './sync-file.js';
export type { Barriers } from './sync-packets.js';
export type { SyncedOptions, SyncedSubmission } from './synced.js';
export { newTraceReader, type ReadOptions, Recording, type TraceBatch, type TraceOptions } from './trace.js';
