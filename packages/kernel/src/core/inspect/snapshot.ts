/**
 * One look at everything: the devices are asked first, then all books of the kernel are noted in one go.
 *
 * Owns: that order, which chapters a section has, how long a device is waited for. Must not know connections.
 */
import { type Clock, errno, type Timer } from '@pedrera/base';
import type { AddressWalk, DeviceSnapshot } from '@pedrera/hw';
import { type DaemonSection, SNAPSHOT_SECTION, type Snapshot } from '@pedrera/uapi';
import type { HlDevice } from '../device.js';
import type { Machine } from '../machine.js';
import { buffersChapter } from './buffers.js';
import { devicesChapter, enginesChapter } from './devices.js';
import { eventsChapter } from './events.js';
import { mappingsChapter, type Walks, walkKey } from './mappings.js';
import { memoryChapter } from './memory.js';
import { type Chapter, type ClientBooks, listChapter, type Moment, SnapshotPages } from './moment.js';
import { objectsChapter } from './objects.js';
import { producersChapter } from './producers.js';
import { queuesChapter } from './queues.js';
import { submissionsChapter } from './submissions.js';
import { syncChapter } from './sync.js';

interface SnapshotRequest {
  /** Of SNAPSHOT_SECTION. */
  readonly sections: number;
  /** -1: all. */
  readonly device: number;
  /** 0: all. */
  readonly pid: number;
  /** 0: none. */
  readonly address: number;
  /** Whose waits are asked about first. */
  readonly about?: number | undefined;
}

const ALL_DEVICES = -1;
/** A device that says nothing for so long is shown without what only it knows. */
const PATIENCE_NS = 250e6;
const ALL_SECTIONS = Object.values(SNAPSHOT_SECTION).reduce((all, bit) => all | bit, 0);

type Section = keyof typeof SNAPSHOT_SECTION;

const CHAPTERS: Readonly<Record<Section, (moment: Moment) => Chapter>> = {
  DEVICES: devicesChapter,
  ENGINES: enginesChapter,
  CLIENTS: ({ books, pid }) => listChapter('clients', books.clients(pid)),
  QUEUES: queuesChapter,
  SUBMISSIONS: submissionsChapter,
  CALLS: ({ books, pid }) => listChapter('calls', books.calls(pid)),
  BUFFERS: buffersChapter,
  MEMORY: memoryChapter,
  SYNC: syncChapter,
  PRODUCERS: producersChapter,
  MAPPINGS: mappingsChapter,
  EVENTS: eventsChapter,
  OBJECTS: objectsChapter,
};

/** Errors: EINVAL for a section that does not exist, ENXIO, ESRCH for a process nothing is known of. */
export async function takeSnapshot(
  machine: Machine,
  { sections, ...request }: SnapshotRequest,
  { books, daemon }: { books: ClientBooks; daemon: () => DaemonSection },
): Promise<SnapshotPages> {
  if ((sections & ~ALL_SECTIONS) !== 0) {
    throw errno('EINVAL', `sections 0x${sections.toString(16)}; those there are make 0x${ALL_SECTIONS.toString(16)}`);
  }
  const moment = await takeMoment(
    machine,
    { ...request, everywhere: (sections & SNAPSHOT_SECTION.PRODUCERS) !== 0 },
    books,
  );
  checkProcess(moment);
  const chapters: Chapter[] = [];
  for (const [name, bit] of Object.entries(SNAPSHOT_SECTION) as [Section, number][]) {
    if ((sections & bit) !== 0) {
      chapters.push(CHAPTERS[name](moment));
    }
  }
  const head: Snapshot = { schema: 'pedrera.snapshot/1', timeNs: moment.nowNs, daemon: daemon() };
  return new SnapshotPages(machine.clock, head, chapters);
}

interface MomentRequest extends Omit<SnapshotRequest, 'sections'> {
  /** All devices are asked, whichever is shown. */
  readonly everywhere?: boolean;
}

/** From here on, until the caller gives up its turn, nothing changes. Errors: ENXIO. */
export async function takeMoment(
  machine: Machine,
  { device, pid, address, about, everywhere = false }: MomentRequest,
  books: ClientBooks,
): Promise<Moment> {
  const devices = chosenDevices(machine, device);
  const asked = everywhere ? machine.devices : devices;
  const [silicon, walks] = await Promise.all([askDevices(machine, devices), walk(machine, { devices, pid, address })]);
  for (const one of asked) {
    one.drainInterrupts();
  }
  return { machine, nowNs: machine.clock.nowNs(), devices, pid, address, about, silicon, walks, books };
}

/** Errors: ESRCH. */
function checkProcess({ machine, pid, books }: Moment): void {
  if (pid === 0 || books.knows(pid)) {
    return;
  }
  for (const { contexts, finishedWork } of machine.devices) {
    for (const one of [...contexts, ...finishedWork]) {
      if (one.pid === pid) {
        return;
      }
    }
  }
  throw errno('ESRCH', `no process ${pid} is connected, was so lately, or has left anything here`);
}

/** Errors: ENXIO. */
function chosenDevices({ devices }: Machine, index: number): readonly HlDevice[] {
  const chosen = index === ALL_DEVICES ? devices : devices.filter((device) => device.index === index);
  if (chosen.length === 0) {
    throw errno('ENXIO', `there is no device ${index}; this machine has ${devices.length}`);
  }
  return chosen;
}

/** Each device's snapshot. */
export async function askDevices(
  { clock }: Machine,
  devices: readonly HlDevice[],
): Promise<ReadonlyMap<number, DeviceSnapshot>> {
  const answers = new Map<number, DeviceSnapshot>();
  const asked = devices.map(async ({ index, hardware, firmware }) => {
    const snapshot = await hardware.snapshot();
    firmware.take(snapshot.counters);
    answers.set(index, snapshot);
  });
  await patiently(clock, asked);
  // Whoever answers later must not change what was taken.
  return new Map(answers);
}

/** Contexts in which one address is walked: a look at one of a thousand costs one. */
const MOST_WALKS = 64;

async function walk(
  { clock }: Machine,
  { devices, pid, address }: Pick<Moment, 'devices' | 'pid' | 'address'>,
): Promise<Walks> {
  const found = new Map<string, AddressWalk | null>();
  const asked: Promise<void>[] = [];
  for (const { contexts, hardware, index } of address === 0 ? [] : devices) {
    for (const { asid, pid: owner } of contexts) {
      if ((pid === 0 || pid === owner) && asked.length < MOST_WALKS) {
        asked.push(hardware.walk(asid, address).then((end) => void found.set(walkKey(index, asid), end)));
      }
    }
  }
  await patiently(clock, asked);
  return new Map(found);
}

/** Whoever does not answer in time is left out: one that is being reset, or is not up yet, holds up no look. */
async function patiently(clock: Clock, asked: readonly Promise<void>[]): Promise<void> {
  if (asked.length === 0) {
    return;
  }
  let late: Timer | undefined;
  await Promise.race([
    Promise.allSettled(asked),
    new Promise<void>((resolve) => {
      late = clock.at(clock.nowNs() + PATIENCE_NS, resolve);
    }),
  ]);
  late?.cancel();
}
