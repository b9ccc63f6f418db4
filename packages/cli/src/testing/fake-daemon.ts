/**
 * For tests: a daemon with nothing behind it. It answers HELLO and the inspections with the documents it is given, so a test
 * decides what there is to see, of which version the daemon is, and when it is gone.
 */
import { ERRNO } from '@pedrera/base';
import {
  type BuffersSnapshot,
  byCode,
  type ClientsSnapshot,
  type DaemonSnapshot,
  type IoctlName,
  MAX_FRAME_BYTES,
  MAX_IN_FLIGHT,
  PROTOCOL_VERSION,
  type QueuesSnapshot,
  type Req,
  type Res,
  type RingSnapshot,
  reqFromWire,
  resToWire,
  SNAPSHOT_SECTION,
  type Snapshot,
  TABLE,
} from '@pedrera/uapi';
import { listen } from '@pedrera/wire';

interface Documents {
  readonly queues: QueuesSnapshot;
  readonly clients: ClientsSnapshot;
  readonly daemon: DaemonSnapshot;
  readonly buffers: BuffersSnapshot;
  readonly ring: RingSnapshot;
  /** Answers with the sections that are asked for, in pages. */
  readonly snapshot: Snapshot;
  /** What other calls are answered with. */
  readonly replies: Partial<{ readonly [N in IoctlName]: Res<N> }>;
}

/** How the daemon differs from one of this build. */
export type OtherVersion =
  /** It speaks another protocol, and refuses the conversation. */
  | 'protocol'
  /** It knows none of the inspections. */
  | 'older'
  /** Its documents have another form. */
  | 'newer';

export interface FakeDaemon extends AsyncDisposable {
  /** Ends every connection and the listener. */
  close(): Promise<void>;
}

const PAGE_ROWS = 300;

type Section = keyof typeof SNAPSHOT_SECTION;
/** What is told beside a list, with which section. */
const SECTION_OF: Readonly<Record<string, Section>> = { bufferTotals: 'BUFFERS', producersLeft: 'PRODUCERS' };

type Reply = readonly [errno: number, body: unknown];

export async function startFakeDaemon(
  socketPath: string,
  documents: Partial<Documents>,
  other?: OtherVersion,
): Promise<FakeDaemon> {
  const answers = answersOf(documents);
  const listener = await listen(socketPath, {
    maxFrameBytes: MAX_FRAME_BYTES,
    onConnection: (connection) => {
      connection.onProtocolError(() => connection.destroy());
      connection.onMessage(([id, code, args]) => {
        const entry = byCode(Number(code));
        const page = entry?.name === 'INSPECT_SNAPSHOT' && documents.snapshot && pageOf(documents.snapshot, args);
        connection.send([id, ...replyTo(Number(code), page || (entry && answers[entry.name]), other)]);
      });
    },
  });
  const close = () => listener.close();
  return { close, [Symbol.asyncDispose]: close };
}

function answersOf({ queues, clients, daemon, buffers, ring, replies }: Partial<Documents>) {
  const answers: Readonly<Record<string, object | undefined>> = {
    HELLO: {
      version: PROTOCOL_VERSION,
      daemonPid: process.pid,
      policy: 'shared',
      devices: 1,
      maxFrameBytes: MAX_FRAME_BYTES,
      maxInFlight: MAX_IN_FLIGHT,
      build: 'fake',
    },
    INSPECT_QUEUES: queues && { snapshot: queues },
    INSPECT_CLIENTS: clients && { snapshot: clients },
    INSPECT_DAEMON: daemon && { snapshot: daemon },
    INSPECT_BUFFERS: buffers && { snapshot: buffers },
    INSPECT_RING: ring && { snapshot: ring },
    ...replies,
  };
  return answers;
}

/** What is a list of rows comes in pages, as the daemon sends it; the rest is on the first. */
function pageOf(snapshot: Snapshot, args: unknown): object {
  const { sections, page } = reqFromWire(TABLE.INSPECT_SNAPSHOT, args) as Req<'INSPECT_SNAPSHOT'>;
  const { schema, timeNs, daemon, ...rest } = snapshot;
  const asked = Object.entries(rest).filter(
    ([key]) => (sections & SNAPSHOT_SECTION[SECTION_OF[key] ?? (key.toUpperCase() as Section)]) !== 0,
  );
  let next = 0;
  const parts = asked.map(([key, section]) => {
    if (key in SECTION_OF) return [key, section];
    if (!Array.isArray(section) || key === 'queues' || key === 'mappings') {
      return page === 0 ? [key, section] : [key, Array.isArray(section) ? [] : { devices: [], owners: [] }];
    }
    if (section.length > (page + 1) * PAGE_ROWS) next = page + 1;
    return [key, section.slice(page * PAGE_ROWS, (page + 1) * PAGE_ROWS)];
  });
  return { snapshot: { schema, timeNs, daemon, ...Object.fromEntries(parts) }, next };
}

function replyTo(code: number, answer: object | undefined, other: OtherVersion | undefined): Reply {
  const entry = byCode(code);
  if (other === 'protocol') {
    return [ERRNO.EPROTONOSUPPORT, `the client speaks protocol ${PROTOCOL_VERSION}, this daemon 99`];
  }
  if (entry?.name !== 'HELLO' && other === 'older') return [ERRNO.ENOTTY, `no call has the code ${code}`];
  if (entry === undefined || answer === undefined) return [ERRNO.ENXIO, 'the fake daemon has none'];
  if (entry.name !== 'HELLO' && other === 'newer') return [0, [{ schema: 'pedrera.unheard-of/9' }, 0]];
  return [0, resToWire(entry, answer)];
}
