/**
 * `pedrera trace record` and `stop`: a recording into a file.
 *
 * Owns: reading as fast as records come, and what is said at the end. Must not know what records tell.
 */
import { setPriority } from 'node:os';
import type { Recording } from '@pedrera/thunk';
import { eachRecord, PROTOCOL_VERSION, RECORD, TRACE_KIND } from '@pedrera/uapi';
import type { Context } from '../command.js';
import { EXIT, type ExitCode } from '../exit.js';
import type { DaemonChoice } from '../run/run-program.js';
import { type DaemonSession, withSession } from '../session.js';
import { formatCount, formatDuration, formatSize, plural } from '../text/units.js';
import { Ending } from './ending.js';
import { followClients, TraceFileWriter } from './file.js';
import { withHost } from './hosted-program.js';

export interface RecordOptions extends DaemonChoice {
  readonly output: string | undefined;
  readonly kinds: number | undefined;
  readonly pid: number | undefined;
  readonly replayable: boolean;
  readonly memory: number;
}

export interface RecordingDocument {
  readonly schema: 'pedrera.trace-recording/1';
  readonly file: string;
  readonly records: number;
  readonly lost: number;
  readonly bytes: number;
  readonly durationMs: number;
  readonly program: number | null;
}

const DEFAULT_FILE = 'recording.pedrera-trace';
const ALL_BUT_CONTENTS =
  TRACE_KIND.CALLS | TRACE_KIND.SUBMISSIONS | TRACE_KIND.ENGINES | TRACE_KIND.SYNC | TRACE_KIND.EVENTS;
/** Large answers cost the daemon least; nobody waits for a line. */
const READ = { least: 240 * 1024, waitMs: 100 };
const BYTES_PER_MIB = 2 ** 20;
const NOTHING_RECORDED =
  'the program never spoke to the daemon: it opened no device, or the library did not get into it (pedrera run -- PROGRAM says why)';
/** A nice value. */
const BEHIND_OTHERS = 5;

export async function runRecord(context: Context, options: RecordOptions, args: readonly string[]): Promise<ExitCode> {
  if (args.length > 0) {
    return withHost(context, options, async ({ session, run }) => {
      const recorder = await Recorder.start(session, options, args);
      const ended = run(args, () => {});
      const document = await recorder.untilOver(ended);
      const program = await ended;
      context.output.aside(`pedrera: ${renderRecording({ ...document, program })}`);
      if (document.records === 0) context.output.aside(`pedrera: ${NOTHING_RECORDED}`);
      return program as ExitCode;
    });
  }
  return withSession(context, async (session) => {
    const recorder = await Recorder.start(session, options, []);
    context.output.say(`recording into ${recorder.path}; Ctrl-C ends it, or pedrera trace stop`);
    context.output.result(await recorder.untilOver(undefined), renderRecording);
    return EXIT.ok;
  });
}

/** A recording on its way into a file. */
export class Recorder {
  readonly #recording: Recording;
  readonly #file: TraceFileWriter;

  private constructor(recording: Recording, file: TraceFileWriter) {
    this.#recording = recording;
    this.#file = file;
  }

  get path(): string {
    return this.#file.path;
  }

  static async start(
    session: DaemonSession,
    options: Pick<RecordOptions, 'output' | 'kinds' | 'pid' | 'replayable' | 'memory'>,
    program: readonly string[],
  ): Promise<Recorder> {
    const { output = DEFAULT_FILE, pid = 0, replayable, memory } = options;
    const kinds = (options.kinds ?? ALL_BUT_CONTENTS) | (replayable ? TRACE_KIND.CONTENTS | TRACE_KIND.CALLS : 0);
    const startedEpochMs = Date.now();
    const recording = await session.trace({ kinds, pid, bytes: memory * BYTES_PER_MIB });
    const { build, policy, devices } = session.greeting;
    try {
      const file = new TraceFileWriter(output, {
        schema: 'pedrera.trace-file/1',
        build,
        protocol: PROTOCOL_VERSION,
        policy,
        devices,
        kinds,
        pid,
        startedNs: recording.startedNs,
        startedEpochMs,
        program,
      });
      return new Recorder(recording, file);
    } catch (error) {
      await recording.stop();
      throw error;
    }
  }

  /**
   * `ended` settles with the program that is recorded; undefined: until somebody ends it: with a signal, unless it is to end when
   * `stop` is called only. A daemon that goes away ends it, too.
   */
  async untilOver(
    ended: Promise<unknown> | undefined,
    when: 'signalled' | 'asked' = 'signalled',
  ): Promise<RecordingDocument> {
    const started = process.hrtime.bigint();
    const ending = new Ending(this.#recording, ended, when === 'signalled');
    const live = new Set<number>();
    const file = this.#file;
    let records = 0;
    let lost = 0;
    const count = (type: number) => {
      if (type !== RECORD.LOST) records++;
    };
    giveWay();
    try {
      for (;;) {
        const batch = await this.#recording.read(READ);
        file.append(batch.bytes);
        eachRecord(batch.bytes, count);
        if (ended !== undefined) followClients(batch.bytes, live);
        lost = batch.lost;
        if (batch.ended) break;
        ending.look(live.size);
      }
    } finally {
      ending.release();
      file.end({ records, lost });
      file.close();
    }
    const durationMs = Number(process.hrtime.bigint() - started) / 1e6;
    const { path, bytes } = file;
    return { schema: 'pedrera.trace-recording/1', file: path, records, lost, bytes, durationMs, program: null };
  }

  stop(): Promise<void> {
    return this.#recording.stop();
  }
}

/**
 * Clients and daemon come first where processors are few: what waits here is in memory, and writing it can wait. A program that was
 * started for the recording is running by now, so it does not inherit this.
 */
function giveWay(): void {
  try {
    setPriority(BEHIND_OTHERS);
  } catch {
    // Not everywhere: then it takes its turn as others do.
  }
}

function renderRecording({ file, records, lost, bytes, durationMs }: RecordingDocument): string {
  const size = `${plural(records, 'record')}, ${formatSize(bytes)}, ${formatDuration(durationMs)}`;
  const missing =
    lost === 0 ? '' : `; ${formatCount(lost)} more were lost, because they came faster than they were read`;
  return `recorded ${size} into ${file}${missing}`;
}

/** Ends the recordings of others. */
export async function runStop(context: Context): Promise<ExitCode> {
  return withSession(context, async (session) => {
    const { stopped, records, lost } = await session.ioctl('TRACE_STOP', { id: 0 });
    const document = { schema: 'pedrera.trace-stop/1', stopped, records, lost };
    context.output.result(document, () =>
      stopped === 0 ? 'nobody records' : `ended ${plural(stopped, 'recording')} of ${plural(records, 'record')}`,
    );
    return EXIT.ok;
  });
}
