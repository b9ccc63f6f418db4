/**
 * The performance: who does what, and when. Moves no byte itself.
 *
 * Owns: the daemon and the client processes from the first call to the last.
 * Must not know: how a role does its part (loader/, relay/, reader/), or what is done about a failure (demo.ts).
 *
 * The order matters. The relays' work and the reader's first reads are handed in before the loader has sent anything, so all of it
 * waits in the command streams; from then on nobody on the host tells anybody to go on. The loader's stream counts chunks into a
 * sync object of the first relay, that relay's stream into one of the second, and so on, the last one's into one of the reader.
 */
import path from 'node:path';
import type { Context } from '../command.js';
import { renderQueues } from '../inspect/queues.js';
import { type DaemonSession, openSession } from '../session.js';
import type { LoaderCalls, ReaderCalls, RelayCalls } from './calls.js';
import type { Cleanup } from './cleanup.js';
import { type DemoFile, hashFile } from './file.js';
import { untilBlocked, untilForgotten } from './looks.js';
import type { Plan } from './plan.js';
import { PrivateDaemon } from './private-daemon.js';
import { type DemoDocument, overlapsOf, type Timings, transfersOf } from './report.js';
import { RoleProcess } from './role-process.js';
import { Story } from './story.js';

const RECORDING_MIB = 64;

/** What one performance has at hand. */
export interface Stage {
  readonly context: Context;
  readonly cleanup: Cleanup;
  readonly file: DemoFile;
  readonly plan: Plan;
  readonly devices: number;
  /** A recording of all of it goes into this file. */
  readonly record: string | undefined;
}

/** What the performance made of the machine it ran on, and what must not be there afterwards. */
export interface Traces {
  readonly pids: readonly number[];
  readonly directory: string;
}

interface Cast {
  readonly loader: RoleProcess<LoaderCalls>;
  /** The i-th works on device i + 1. */
  readonly relays: readonly RoleProcess<RelayCalls>[];
  readonly reader: RoleProcess<ReaderCalls>;
}

export async function perform(stage: Stage): Promise<{ document: DemoDocument; traces: Traces }> {
  const { context, cleanup, file, plan, devices } = stage;
  const starting = PrivateDaemon.start(devices);
  cleanup.add(starting, (daemon) => daemon.stop());
  // Processes take a while to start: all of them at the same time.
  const cast = castRoles(stage);
  const everybody = [cast.loader, ...cast.relays, cast.reader];
  const story = new Story(context, ['daemon', ...everybody.map(({ name }) => name)]);
  story.title(displayPath(file.path), plan, devices);
  const daemon = await starting;
  story.daemon({ name: 'daemon', pid: daemon.pid }, devices, daemon.socketPath);
  const connecting = openSession({ ...context, socketOption: daemon.socketPath });
  cleanup.add(connecting, (session) => session.close());
  const session = await connecting;
  if (stage.record !== undefined) {
    const recording = record(session, stage.record);
    cleanup.add(recording, ({ end }) => end());
    await recording;
  }

  await prepare(stage, { cast, story, socketPath: daemon.socketPath });
  const waiting = [...cast.relays, cast.reader].map(({ pid }) => pid);
  const blocked = await untilBlocked(session, waiting);
  story.blocked(renderQueues(blocked, context.style, false), cast.relays.length);
  const timings = await move(cast, plan);
  const onDisk = await hashFile(file);
  await closeAll(cast);
  await untilForgotten(session);

  const readBack = timings.read.sha256;
  const document: DemoDocument = {
    schema: 'pedrera.demo/1',
    file: file.path,
    sizeBytes: plan.sizeBytes,
    chunkBytes: plan.chunkBytes,
    chunks: plan.chunks,
    devices,
    transfers: transfersOf(timings),
    ...overlapsOf(timings),
    sha256: { file: onDisk, readBack, identical: onDisk === readBack },
    blocked,
  };
  const pids = [daemon.pid, ...everybody.map(({ pid }) => pid)];
  return { document, traces: { pids, directory: path.dirname(daemon.socketPath) } };
}

/** From here on. Loaded only when it is asked for. */
async function record(session: DaemonSession, output: string): Promise<{ end(): Promise<void> }> {
  const { Recorder } = await import('../trace/record.js');
  const options = { output, kinds: undefined, pid: undefined, replayable: false, memory: RECORDING_MIB };
  const recorder = await Recorder.start(session, options, ['pedrera', 'demo']);
  const over = recorder.untilOver(undefined);
  return {
    async end() {
      await recorder.stop();
      await over;
    },
  };
}

function castRoles({ cleanup, devices }: Stage): Cast {
  const nameOf = (i: number) => (devices === 2 ? 'relay' : `relay ${i + 1}`);
  const loader = new RoleProcess<LoaderCalls>('loader', 'loader');
  const relays = Array.from({ length: devices - 1 }, (_, i) => new RoleProcess<RelayCalls>('relay', nameOf(i)));
  const reader = new RoleProcess<ReaderCalls>('reader', 'reader');
  cleanup.add(Promise.resolve([loader, ...relays, reader]), async (roles) => {
    await Promise.all(roles.map((role) => role.end()));
  });
  return { loader, relays, reader };
}

interface Preparation {
  readonly cast: Cast;
  readonly story: Story;
  readonly socketPath: string;
}

/** Opens devices, allocates and exports memory, connects the processes by tokens, and hands in what is to wait in streams. */
async function prepare({ file, plan, devices }: Stage, { cast, story, socketPath }: Preparation): Promise<void> {
  const { loader, relays, reader } = cast;
  const common = { socketPath, plan };
  const [source, stations, destination] = await Promise.all([
    loader.call('prepare', { ...common, device: 0, file: file.path }),
    Promise.all(relays.map((relay, i) => relay.call('prepare', { ...common, device: i + 1 }))),
    reader.call('prepare', { ...common, device: devices - 1 }),
  ]);
  const { signalAddress } = await loader.call('connect', { syncToken: stations[0]?.syncToken ?? '' });
  story.loader(loader, plan, signalAddress);
  const submitted = await Promise.all(
    relays.map((relay, i) => {
      const sourceToken = (i === 0 ? source : stations[i - 1])?.memoryToken ?? '';
      const { syncToken: nextSyncToken } = stations[i + 1] ?? destination;
      return relay.call('submit', { sourceToken, nextSyncToken });
    }),
  );
  const reading = await reader.call('submit', { sourceToken: stations.at(-1)?.memoryToken ?? '' });
  submitted.forEach(({ queue, lease }, i) => {
    story.relay(relays[i] as RoleProcess<RelayCalls>, { device: i + 1, queue, lease, plan });
  });
  story.reader(reader, { device: devices - 1, ...reading });
}

async function move({ loader, relays, reader }: Cast, plan: Plan): Promise<Timings> {
  const [upload, relayed, read] = await Promise.all([
    loader.call('upload', null),
    Promise.all(relays.map((relay) => relay.call('finish', null))),
    reader.call('finish', null),
  ]);
  const pids = { loader: loader.pid, relays: relays.map((relay) => relay.pid), reader: reader.pid };
  return { plan, upload, relays: relayed, read, pids };
}

async function closeAll({ loader, relays, reader }: Cast): Promise<void> {
  const closing = [
    loader.call('close', null),
    ...relays.map((relay) => relay.call('close', null)),
    reader.call('close', null),
  ];
  await Promise.all(closing);
}

function displayPath(file: string): string {
  const relative = path.relative(process.cwd(), file);
  return relative.startsWith('..') ? file : relative;
}
