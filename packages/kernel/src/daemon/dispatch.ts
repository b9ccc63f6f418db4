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
  decodeArgs,
  type Entry,
  encodeArgs,
  MAX_IN_FLIGHT,
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

type Handler = (session: Session, req: object) => object | Promise<object>;

/** Handles one frame. Never throws: whatever goes wrong becomes this request's reply. */
export function dispatch(session: Session, message: unknown[]): void {
  const [id, code, args, buffers] = message;
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
      raw(session, id, code, args, buffers);
    } else {
      typed(session, id, code, args);
    }
  } catch (error) {
    // Only the conversation itself fails here; a call's own errors are its reply.
    endConversation(session, id, error);
  }
}

function typed(session: Session, id: number, code: number, args: unknown): void {
  const entry = byCode(code);
  checkConversation(session, entry?.name, args);
  const call: Call = {
    id,
    name: entry?.name ?? `call ${code}`,
    succeeded: (result) => [id, 0, resToWire(entry as Entry, result)],
    failed: (error) => [id, error.errno, error.detail ?? ''],
  };
  run(session, call, () => {
    if (entry === undefined) {
      throw errno('ENOTTY', `no call has the code ${code}`);
    }
    checkAccess(session, entry);
    checkOperational(session, entry.duringReset);
    checkRevoked(session, entry);
    countRefusal(session, entry);
    return (HANDLERS[entry.name] as Handler)(session, reqFromWire(entry, args));
  });
}

/** A call spelled as the struct's bytes, for programs that only have those (uapi.md 2.2). */
function raw(session: Session, id: number, command: number, bytes: Uint8Array, buffers: unknown): void {
  checkConversation(session, undefined, undefined);
  const magic = session.importer === undefined ? 'H' : 'I';
  const decoded = decodeArgs(command >>> 0, bytes, rawBuffers(buffers), magic);
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
    return (HANDLERS[(entry as Entry).name] as Handler)(session, req as object);
  });
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
  session.pending++;
  result.then(
    (value) => {
      session.pending--;
      succeed(session, call, value);
    },
    (error: unknown) => {
      session.pending--;
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
  if (session.pending >= MAX_IN_FLIGHT) {
    throw errno('EAGAIN', `${session.pending} requests of this client are unanswered; read the replies first`);
  }
}

/** What only ever fails is counted, so that `pedrera status` can say what programs ask for in vain. */
function countRefusal(session: Session, entry: Entry | null): void {
  if (entry?.level === 'refused') {
    session.table.countRefused(entry.name);
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
 * what is answered in a reset is answered here too; unmapping is no call of the device.
 */
function checkRevoked(session: Session, entry: Entry | null): void {
  const { file } = session;
  if (file?.revoked === undefined || !file.device.operational || entry?.access === 'any' || entry?.name === 'MUNMAP') {
    return;
  }
  throw errno('ENODEV', `${file.revoked}; close the device and open it again`);
}
