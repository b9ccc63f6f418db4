/**
 * From a frame to a reply: looks the call up in the table, checks, decodes, calls the handler, encodes.
 *
 * Owns: the order of those steps, and the only place where an error becomes an errno on the wire.
 * Must not know any particular call beyond those that open a conversation.
 */
import { errno, HlError } from '@pedrera/base';
import {
  type Access,
  byCode,
  classicCommand,
  decodeArgs,
  type Entry,
  encodeArgs,
  MAX_IN_FLIGHT,
  NR,
  PROTOCOL_VERSION,
  type RawBuffers,
  reqFromWire,
  resToWire,
} from '@pedrera/uapi';
import { HANDLERS } from './handlers/index.js';
import type { Session } from './session.js';

/** The two spellings of a request differ in how arguments come and answers go, in nothing between. */
interface Call {
  readonly id: number;
  readonly name: string;
  readonly succeeded: (result: object) => unknown[];
  readonly failed: (error: HlError) => unknown[];
}

/** Commands have a letter; indices of calls go this far. */
const LAST_BARE_INDEX = 0x1f;

type Handler = (session: Session, req: object) => object | Promise<object>;

/** Handles one frame. Never throws: whatever goes wrong becomes this request's reply. */
export function dispatch(session: Session, message: unknown[]): void {
  const [id, code, args] = message;
  session.requests++;
  if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || typeof code !== 'number') {
    endConversation(
      session,
      0,
      errno('EPROTO', 'a request is [id, code, arguments] with whole numbers as id and code'),
    );
    return;
  }
  try {
    if (args instanceof Uint8Array) {
      raw(session, message);
    } else {
      typed(session, id, code, args, message[3]);
    }
  } catch (error) {
    // Only the conversation itself fails here; a call's own errors are its reply.
    endConversation(session, id, error);
  }
}

function typed(session: Session, id: number, code: number, args: unknown, process: unknown): void {
  const entry = byCode(code);
  checkConversation(session, entry?.name, args);
  const call: Call = {
    id,
    name: entry?.name ?? `call ${code}`,
    succeeded: (result) => [id, 0, resToWire(entry as Entry, result)],
    failed: (error) => [id, error.errno, error.detail ?? ''],
  };
  session.callFrom(process);
  run(session, call, () => {
    if (entry === undefined) {
      throw errno('ENOTTY', `no call has the code ${code}`);
    }
    checkAccess(session, entry);
    checkOperational(session, entry.duringReset);
    checkRevoked(session, entry);
    countRefusal(session, entry);
    const req = reqFromWire(entry, args);
    session.caller.begin(session.requests, entry.code);
    failAsPlanned(session, entry);
    return (HANDLERS[entry.name] as Handler)(session, req);
  });
}

/** A call spelled as the struct's bytes, for programs that only have those (uapi.md 2.2). */
function raw(session: Session, message: readonly unknown[]): void {
  const [id, number, bytes, buffers, process] = message as [number, number, Uint8Array, unknown, unknown];
  checkConversation(session, undefined, undefined);
  const command = session.nodeName.startsWith('accel') ? classicCommand(number >>> 0) : number >>> 0;
  adviseOnBareIndex(session, command);
  const magic = session.importer === undefined ? 'H' : 'I';
  const decoded = decodeArgs(command, bytes, rawBuffers(buffers), magic);
  const reply = (error: number, outcome: object | HlError): unknown[] => {
    const { block, buffers: answers } = encodeArgs(decoded, outcome);
    return [id, error, block, answers, outcome instanceof HlError ? (outcome.detail ?? '') : ''];
  };
  const call: Call = {
    id,
    name: decoded.name,
    succeeded: (result) => reply(0, result),
    failed: (error) => reply(error.errno, error),
  };
  session.callFrom(process);
  run(session, call, () => {
    const { entry, error, req } = decoded;
    if (entry !== null) {
      checkAccess(session, entry);
    }
    checkOperational(session, decoded.duringReset);
    checkRevoked(session, entry);
    countRefusal(session, entry);
    if (error !== null) {
      throw error;
    }
    session.caller.begin(session.requests, (entry as Entry).code);
    failAsPlanned(session, entry as Entry);
    return (HANDLERS[(entry as Entry).name] as Handler)(session, req as object);
  });
}

/**
 * A header of Linux 6.7 and later has HL_IOCTL_* as mere indices, to be made commands with DRM_IOWR (device.md 10.4). A program
 * of before that is compiled against it passes the index: it means another call, or none, and nothing says so.
 */
function adviseOnBareIndex(session: Session, command: number): void {
  if (command > LAST_BARE_INDEX) {
    return;
  }
  session.table.countRefused(`ioctl ${command}, which is no command`);
  if (!session.advised) {
    session.advised = true;
    const advice =
      'the program passes an index to ioctl(2) where a command is due: HL_IOCTL_* of Linux 6.7 and later go through DRM_IOWR; ' +
      'use DRM_IOCTL_HL_* on /dev/accel, or build with an earlier header';
    session.log.warn({ command, program: session.program }, advice);
  }
}

function rawBuffers(value: unknown): RawBuffers {
  if (value === undefined || value === null) {
    return [];
  }
  if (!Array.isArray(value) || !value.every((buffer) => buffer === null || buffer instanceof Uint8Array)) {
    throw errno('EPROTO', 'a raw request is [id, command, bytes, [buffers]]');
  }
  return value;
}

function run(session: Session, call: Call, handle: () => object | Promise<object>): void {
  let result: object | Promise<object>;
  try {
    result = handle();
  } catch (error) {
    fail(session, call, error);
    return;
  }
  if (!(result instanceof Promise)) {
    succeed(session, call, result);
    return;
  }
  const pending = { id: call.id, name: call.name, sinceNs: session.machine.clock.nowNs(), wait: session.caller.wait };
  session.calls.add(pending);
  result.then(
    (value) => {
      session.calls.delete(pending);
      succeed(session, call, value);
    },
    (error: unknown) => {
      session.calls.delete(pending);
      fail(session, call, error);
    },
  );
}

function succeed(session: Session, call: Call, result: object): void {
  try {
    session.connection.send(call.succeeded(result));
  } catch (error) {
    fail(session, call, error);
  }
}

/** Anything that is not an errno is a bug of ours: logged with its stack, EIO to the caller, the daemon lives on. */
function fail(session: Session, call: Call, error: unknown): void {
  let known: HlError;
  if (error instanceof HlError) {
    known = error;
    session.log.debug({ call: call.name, errno: error.code, detail: error.detail }, 'refused');
  } else {
    session.log.error({ call: call.name, err: error }, 'internal error');
    known = errno('EIO', 'internal error of the daemon; its log has the details');
  }
  session.connection.send(call.failed(known));
}

/** Says why and hangs up. */
function endConversation(session: Session, id: number, error: unknown): void {
  const known =
    error instanceof HlError ? error : errno('EIO', 'internal error of the daemon; its log has the details');
  session.log.warn({ err: error }, 'conversation ended');
  session.connection.send([id, known.errno, known.detail ?? '']);
  session.connection.close();
}

/** HELLO comes first, once; on a side channel nothing comes but SIDE_CHANNEL. */
function checkConversation(session: Session, name: string | undefined, args: unknown): void {
  if (session.carriesFor !== undefined) {
    throw errno('EPROTO', 'a side channel carries descriptors only');
  }
  if (session.greeted) {
    if (name === 'HELLO' || name === 'SIDE_CHANNEL') {
      throw errno('EINVAL', `${name} opens a conversation; this one has begun`);
    }
    return;
  }
  if (name === 'SIDE_CHANNEL') {
    return;
  }
  if (name !== 'HELLO') {
    throw errno('EPROTO', 'the first frame must be HELLO');
  }
  // Looked at before the arguments are decoded: another version may have other arguments.
  const version = Array.isArray(args) ? args[0] : undefined;
  if (version !== PROTOCOL_VERSION) {
    const fix = 'use a client and a daemon of the same release (pedrera stop, then pedrera start)';
    throw errno(
      'EPROTONOSUPPORT',
      `the client speaks protocol ${String(version)}, this daemon ${PROTOCOL_VERSION}; ${fix}`,
    );
  }
}

function answers(node: 'primary' | 'control' | 'importer', access: Access): boolean {
  switch (access) {
    case 'any':
      return true;
    case 'both':
      return node !== 'importer';
    case 'sharing':
      return node !== 'control';
    default:
      return access === node;
  }
}

function checkAccess(session: Session, entry: Entry): void {
  if (entry.access !== 'any') {
    const node = session.file?.node ?? (session.importer === undefined ? undefined : 'importer');
    if (node === undefined) {
      throw errno('ENOTTY', 'no device node is open on this connection; OPEN one first');
    }
    if (!answers(node, entry.access)) {
      // Not an ioctl: the file operation is missing altogether (uapi.md 1.5).
      throw errno(entry.name === 'MMAP' ? 'ENODEV' : 'ENOTTY', `the ${node} node does not answer ${entry.name}`);
    }
  }
  if (session.calls.size >= MAX_IN_FLIGHT) {
    throw errno('EAGAIN', `${session.calls.size} requests of this client are unanswered; read the replies first`);
  }
}

/** What only ever fails is counted, so that `pedrera status` can say what programs ask for in vain. */
function countRefusal(session: Session, entry: Entry | null): void {
  if (entry?.level === 'refused') {
    session.table.countRefused(entry.name);
  }
}

/** Rules of `pedrera inject` that strike calls do so after every check of the call itself. */
function failAsPlanned(session: Session, entry: Entry): void {
  const { faults } = session.machine;
  if (faults.watchesCalls) {
    faults.call(entry.name, session.peer.pid, session.file?.device);
  }
}

function checkOperational(session: Session, duringReset: boolean): void {
  const device = session.file?.device;
  if (!duringReset && device?.operational === false) {
    throw errno('EBUSY', device.statusText);
  }
}

/**
 * A hard reset took all the file had, where the driver would have killed its owner (uapi.md 7.3). While the reset runs,
 * what INFO answers in a reset is answered here too, but nothing may come to belong to the file any more: it is emptied only
 * once. Unmapping is no call of the device.
 */
function checkRevoked(session: Session, entry: Entry | null): void {
  const { file } = session;
  if (file?.revoked === undefined || entry?.access === 'any' || entry?.name === 'MUNMAP') {
    return;
  }
  if (!file.device.operational && (entry === null || entry.nr === NR.INFO)) {
    return;
  }
  throw errno('ENODEV', `${file.revoked}; close the device and open it again`);
}
