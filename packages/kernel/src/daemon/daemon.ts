/**
 * The daemon: builds the machine, serves the socket, ends in good order.
 *
 * Owns: what is created at start and in which order it goes away. The only place below the CLI that knows the real clock,
 * the process's signals are the CLI's business.
 */
import { totalmem } from 'node:os';
import { LeakTracker, RealClock } from '@pedrera/base';
import { HBM_SIZE } from '@pedrera/hw';
import { MAX_FRAME_BYTES } from '@pedrera/uapi';
import { type Connection, listen, SharedMemory } from '@pedrera/wire';
import type { Logger } from 'pino';
import { HlDevice } from '../core/device.js';
import { Machine } from '../core/machine.js';
import type { MachineDescription } from '../core/machine-file.js';
import { POLICIES, type PolicyName } from '../core/policy.js';
import type { Settings } from '../core/settings.js';
import { placeOf, plainMachine } from '../core/topology.js';
import { dispatch } from './dispatch.js';
import { createLog } from './log.js';
import type { Session } from './session.js';
import { SessionTable } from './session-table.js';
import { createInterconnect, WorkerDevice } from './worker-device.js';

export interface DaemonOptions {
  readonly socketPath: string;
  readonly devices: number;
  readonly policy: PolicyName;
  readonly logLevel: string;
  readonly logFile?: string;
  /** Log for people, when it goes to a terminal. */
  readonly pretty: boolean;
  /** What differs from the driver's module parameters and the simulation's times, for every device. */
  readonly settings?: Partial<Settings>;
  /** The machine as it was described (docs/machine.md); the number of devices is then what it says. */
  readonly machine?: MachineDescription;
}

/** The part of the machine's memory that may be filled with queued command buffers. */
const KERNEL_MEMORY_PART = 4;

export interface RunningDaemon {
  readonly socketPath: string;
  readonly devices: number;
  /** Resolves once nothing is left of it; rejects when a device's thread died, which is our bug. */
  readonly closed: Promise<void>;
  /** Ends every client, releases all they held, removes the socket. */
  stop(reason: string): Promise<void>;
}

/** Errors: those of wire's listen() (a live daemon on the socket, a path that cannot be used). Ready when it resolves. */
export async function runDaemon(options: DaemonOptions): Promise<RunningDaemon> {
  const description = options.machine ?? plainMachine(options.devices);
  const count = description.devices.length;
  const log = createLog({ level: options.logLevel, file: options.logFile, pretty: options.pretty });
  const tracker = new LeakTracker();
  const clock = new RealClock();
  const hbm = Array.from({ length: count }, (_, i) => SharedMemory.create(`pedrera-hbm${i}`, HBM_SIZE));
  // A share of it: the devices' own memory is the machine's, too.
  const settings = { kernelMemoryBytes: totalmem() / KERNEL_MEMORY_PART, ...options.settings };
  const interconnect = createInterconnect(
    hbm.map((memory) => memory.fd),
    settings,
  );
  let crashed: (error: Error) => void = () => undefined;
  const hardware = hbm.map((_, index) => new WorkerDevice(index, interconnect, (error) => crashed(error), clock));
  const policy = POLICIES[options.policy];
  const devices = hardware.map(
    (device, i) =>
      new HlDevice({
        hardware: device,
        hbm: hbm[i] as SharedMemory,
        policy,
        clock,
        tracker,
        log,
        settings,
        place: placeOf(description, i),
        kill: (pid) => kill(pid, log),
      }),
  );
  const machine = new Machine({
    devices,
    policy,
    clock,
    tracker,
    hostMemoryLimit: totalmem(),
    settings,
    description,
  });
  const sessions = new SessionTable(machine, log, options.socketPath);

  const endDevices = async () => {
    await Promise.all(hardware.map((device) => device.close()));
    for (const memory of hbm) {
      memory.close();
    }
  };
  const listener = await listen(options.socketPath, {
    mode: 0o600,
    maxFrameBytes: MAX_FRAME_BYTES,
    onConnection: (connection) => serve(sessions, connection),
  }).catch(async (error: unknown) => {
    await endDevices();
    throw error;
  });

  const crash = new Promise<never>((_, reject) => {
    crashed = (error) => {
      log.fatal({ err: error }, 'a device died');
      listener.stop();
      reject(error);
    };
  });
  let stopping: Promise<void> | undefined;
  let stopped: () => void = () => undefined;
  const finished = new Promise<void>((resolve) => {
    stopped = resolve;
  });
  const stop = async (reason: string) => {
    log.info({ reason }, 'draining');
    listener.stop();
    await sessions.drain();
    await Promise.all(devices.map((device) => device.life.quiesce()));
    await Promise.all(devices.map((device) => device.contexts.stop()));
    await listener.close();
    await endDevices();
    log.info({ objects: tracker.counts() }, 'stopped');
    stopped();
  };
  // The daemon answers from here on; who opens a device waits until that device is up.
  for (const device of hardware) {
    device.powerOn();
  }
  for (const device of devices) {
    // A device that never comes up is a crash, which `closed` reports.
    device.hardware.ready().then(
      () => device.life.start(),
      () => undefined,
    );
  }
  log.info({ socket: options.socketPath, devices: count, policy: policy.name }, 'ready');
  return {
    socketPath: options.socketPath,
    devices: count,
    closed: Promise.race([finished, crash]),
    stop(reason) {
      stopping ??= stop(reason);
      return stopping;
    },
  };
}

/** With settings.killOnReset: who opened the primary node, by the pid the socket named. Never the daemon itself. */
function kill(pid: number, log: Logger): void {
  try {
    if (pid > 1 && pid !== process.pid) {
      process.kill(pid, 'SIGKILL');
    }
  } catch (error) {
    // It is gone already, or it is another user's.
    log.warn({ pid, err: error }, 'could not kill the owner of a device that was reset');
  }
}

function serve(sessions: SessionTable, connection: Connection): void {
  let session: Session;
  try {
    session = sessions.add(connection);
  } catch (error) {
    // It hung up before we could ask who it was.
    sessions.log.debug({ err: error }, 'connection without a peer');
    connection.destroy();
    return;
  }
  connection.onProtocolError((error) => {
    session.log.warn({ detail: error.detail }, 'malformed frame');
    connection.send([0, error.errno, error.detail ?? error.message]);
    connection.close();
  });
  connection.onClose(() => sessions.remove(session));
  connection.onMessage((message) => dispatch(session, message));
}
