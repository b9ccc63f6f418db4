/**
 * How faithful the model of the device is, packet by packet and queue by queue: the hardware's part of the support matrix.
 *
 * Owns: the levels, what they rest on, and a remark where a level alone would mislead. Must not know: calls or flags (the uapi package
 * has the other part), or who shows the matrix.
 */
import { PACKET_NAMES, PACKETS, type PacketName } from './packet-table.js';
import { type EngineName, QUEUES, type QueueInfo } from './queues.js';

export interface HardwareSupport {
  readonly kind: 'packet' | 'queue' | 'engine';
  readonly name: string;
  /** Names in the C header of the user API; empty for what it does not have. */
  readonly c: readonly string[];
  readonly level: 'exact' | 'functional' | 'refused';
  /** With what it is refused. */
  readonly errno?: string;
  readonly note?: string;
  /** File below drivers/misc/habanalabs of Linux 6.1, and section of the reference. */
  readonly source: string;
  readonly section: string;
}

type Level = HardwareSupport['level'];

const NOT_FROM_USERS =
  'in a command buffer for an external queue the parser refuses it, as the driver does; an internal queue runs it';

const PACKET_LEVELS: Readonly<Record<PacketName, { readonly level: Level; readonly note?: string }>> = {
  WREG_32: { level: 'functional', note: 'registers of the model do what they do, all others keep what was written' },
  WREG_BULK: { level: 'functional', note: NOT_FROM_USERS },
  MSG_LONG: { level: 'exact' },
  MSG_SHORT: { level: 'exact' },
  CP_DMA: { level: 'functional', note: NOT_FROM_USERS },
  REPEAT: { level: 'functional' },
  MSG_PROT: { level: 'exact', note: NOT_FROM_USERS },
  FENCE: { level: 'exact' },
  LIN_DMA: {
    level: 'functional',
    note: 'DMA2 to DMA7 also add into SRAM (WR_AWUSER_31_11); transposition and compression are not modelled',
  },
  NOP: { level: 'exact' },
  STOP: { level: 'functional', note: NOT_FROM_USERS },
  ARB_POINT: { level: 'functional' },
  WAIT: {
    level: 'functional',
    note: 'the parser refuses it in a command buffer for an external queue, as the driver does',
  },
  LOAD_AND_EXE: { level: 'functional' },
};

const PARSER = 'gaudi/gaudi.c';

function packetSupport(name: PacketName): HardwareSupport {
  const { level, note } = PACKET_LEVELS[name];
  const { userAllowed } = PACKETS[name];
  return {
    kind: 'packet',
    name,
    c: [],
    level,
    ...(userAllowed === 'yes' ? {} : { errno: userAllowed }),
    ...(note === undefined ? {} : { note }),
    source: PARSER,
    section: 'uapi.md 4.4, device.md 3.2',
  };
}

function engineNote(engine: EngineName): string | undefined {
  if (engine.startsWith('TPC')) return 'packets run; a kernel that is started is a fault that says it is not modelled';
  if (engine.startsWith('MME'))
    return 'packets run; forward convolutions of f32 are computed, any other descriptor is a fault that says it is not modelled';
  if (engine.startsWith('NIC'))
    return 'EINVAL unless the daemon enables its port, as upstream has it; packets run, nothing is sent';
  return undefined;
}

function queueSupport({ name, kind, engine }: QueueInfo): HardwareSupport {
  const note = engineNote(engine);
  return {
    kind: 'queue',
    name,
    c: [`GAUDI_QUEUE_ID_${name}`],
    level: kind === 'cpu' ? 'refused' : note === undefined ? 'exact' : 'functional',
    ...(kind === 'cpu' ? { errno: 'EINVAL', note: "the driver's own" } : {}),
    ...(note === undefined ? {} : { note }),
    source: PARSER,
    section: 'uapi.md 2.8',
  };
}

const COUNTS = { DMA: 8, MME: 4, TPC: 8, NIC: 10 } as const;

const ENGINE_NOTES = {
  MME: 'its queue manager is modelled, and forward convolutions of f32; nothing else is computed',
  TPC: 'its queue manager is modelled, what it computes is not',
  NIC: 'its queue manager is modelled, what it sends is not',
} as const;

function engineSupport(family: keyof typeof COUNTS, index: number): HardwareSupport {
  return {
    kind: 'engine',
    name: `${family}${index}`,
    c: [`GAUDI_ENGINE_ID_${family}_${index}`],
    level: family === 'DMA' ? 'exact' : 'functional',
    ...(family === 'DMA' ? {} : { note: ENGINE_NOTES[family] }),
    source: PARSER,
    section: 'uapi.md 2.8, 7.7',
  };
}

export const HARDWARE_SUPPORT: readonly HardwareSupport[] = [
  ...PACKET_NAMES.map(packetSupport),
  ...QUEUES.map(queueSupport),
  ...(Object.keys(COUNTS) as (keyof typeof COUNTS)[]).flatMap((family) =>
    Array.from({ length: COUNTS[family] }, (_, index) => engineSupport(family, index)),
  ),
];
