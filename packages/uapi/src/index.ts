/** @pedrera/uapi: the contract between user space and kernel. Everything either side knows of the other is here. */
export { reqFromWire, resFromWire, resToWire, toWire } from './codec.js';
export type { ObjectOf, Shape, ShapeCodec } from './composite-kinds.js';
export * from './constants.js';
export { renderUapiMarkdown } from './docs.js';
export type * from './fault-rules.js';
export type { Handlers } from './handlers.js';
export type * from './inspect.js';
export {
  type Access,
  type AnyIoctl,
  COMMON_ERRORS,
  callCode,
  type ErrorRow,
  type Evidence,
  errnosOf,
  type Level,
  numberIn,
} from './ioctl.js';
export { IMPORTER_NR, NR, OWN_NR } from './ioctls/blocks.js';
export type { Chunk } from './ioctls/cs.js';
export { ANY_FAULT_RULE } from './ioctls/inject.js';
export { ALL_ONES_U64, type Handle, type Kind, type KindShape, type ValueOf } from './kinds.js';
export { ABIS, type Abi, decodeStruct, encodeStruct, type FieldLayout, placeOf, type StructLayout } from './layout.js';
export * from './limits.js';
export * from './protocol.js';
export {
  classicCommand,
  commandNumber,
  DRM_FIRST,
  DRM_LETTER,
  decodeArgs,
  encodeArgs,
  type RawCall,
  type RawReply,
  splitCommand,
} from './raw.js';
export { decodeReply, encodeCall, type RawCallBytes } from './raw-caller.js';
export { leavingBlockUntouched, leavingInBlock, requireReadable } from './raw-marks.js';
export type { RawBuffers } from './raw-plan.js';
export { sampleFields, sampleValue, spoil } from './sample.js';
export * from './snapshot.js';
export { formatCall, formatFields } from './strace.js';
export { STRUCTS } from './structs.js';
export { SUPPORT, type SupportRow } from './support.js';
export {
  byCode,
  byOp,
  ENTRIES,
  type Entry,
  entryOf,
  type IoctlName,
  type Req,
  type Res,
  TABLE,
  type Table,
} from './table.js';
export * from './trace.js';
export { errorOf } from './trace-calls.js';
export { ENGINE_FLAG, ENGINE_SORTS, MAX_TRACED_FRAME, RECORD, SYNC_SORTS, TRACE_HEAD_BYTES } from './trace-layout.js';
export { eachRecord, TraceReader, wholeRecordBytes } from './trace-reader.js';
export { type EngineFields, type SubmissionFields, type SyncFields, TraceWriter } from './trace-writer.js';
