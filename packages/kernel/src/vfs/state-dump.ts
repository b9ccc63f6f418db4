/**
 * The state dump: what debugfs `state_dump` shows of a device at the moment something went wrong (uapi.md 7.9).
 *
 * Owns: its text. Must not know when one is taken.
 */
import {
  type ArmedMonitor,
  DCORE,
  type Device,
  type DeviceSnapshot,
  DMA_CORE_REGISTERS,
  dmaCoreBase,
  LOWER_CP,
  QM_REGISTERS,
  QUEUES,
  SOBS_PER_GROUP,
  type StreamSnapshot,
  sobAddress,
} from '@pedrera/hw';

/** In the order of the dump, which is not that of the dcore ids. */
const SYNC_MANAGERS = [
  { name: 'SYNC_MGR_E_N', dcore: DCORE.E_N },
  { name: 'SYNC_MGR_W_N', dcore: DCORE.W_N },
  { name: 'SYNC_MGR_E_S', dcore: DCORE.E_S },
  { name: 'SYNC_MGR_W_S', dcore: DCORE.W_S },
] as const;

const FENCED_ENGINES = ['TPC', 'MME', 'DMA'] as const;
const DMA_ENGINES = 8;

/** Which engine adds to a sync object when its work is written: by the low half of the object's address. */
type SyncEngines = ReadonlyMap<number, string>;

/** The text for a device as it is now. */
export async function takeStateDump(hardware: Device): Promise<string> {
  const [snapshot, engines] = await Promise.all([hardware.snapshot(), readSyncEngines(hardware)]);
  return formatStateDump(snapshot, engines);
}

function formatStateDump(snapshot: DeviceSnapshot, engines: SyncEngines = new Map()): string {
  const lines = [`Timestamp taken on: ${Math.round(snapshot.timeNs)}`, '', 'Non zero sync objects:'];
  for (const { name, dcore } of SYNC_MANAGERS) {
    lines.push(name);
    for (const object of snapshot.syncObjects) {
      if (object.dcore === dcore) {
        const engine = engines.get(sobAddress(dcore, object.sob) % 2 ** 32);
        lines.push(
          `sync id: ${object.sob}, value: ${object.value}${engine === undefined ? '' : `, Engine: ${engine}`}`,
        );
      }
    }
  }
  lines.push('', 'Valid (armed) monitor objects:');
  for (const { name, dcore } of SYNC_MANAGERS) {
    lines.push(name, ...snapshot.monitors.filter((monitor) => monitor.dcore === dcore).map(monitorLine));
  }
  lines.push('', 'Valid (armed) fences:');
  // The driver's device has one context; where there are several, a stream alone does not say whose fence it is.
  const several = new Set(snapshot.streams.map(({ asid }) => asid)).size > 1;
  for (const engine of FENCED_ENGINES) {
    for (const stream of snapshot.streams) {
      if (stream.engine.startsWith(engine) && stream.fence !== null) {
        lines.push(fenceLine(stream, stream.fence) + (several ? `, asid = ${stream.asid}` : ''));
      }
    }
  }
  lines.push('', '');
  return lines.join('\n');
}

function monitorLine(monitor: ArmedMonitor): string {
  const watched: number[] = [];
  for (let bit = 0; bit < SOBS_PER_GROUP; bit++) {
    if ((monitor.mask & (1 << bit)) === 0) {
      watched.push(monitor.group * SOBS_PER_GROUP + bit);
    }
  }
  return (
    `Mon id: ${monitor.monitor}, wait for group id: ${monitor.group} mask ${binary(monitor.mask)} to reach val: ${monitor.value} ` +
    `and write ${monitor.payloadData >>> 0} to address 0x${monitor.payloadAddress.toString(16)}. ` +
    `Pending: ${binary(monitor.pending)}. Means sync objects [${watched.join(', ')}] are being monitored.`
  );
}

function fenceLine(stream: StreamSnapshot, fence: NonNullable<StreamSnapshot['fence']>): string {
  const processor = stream.lower ? LOWER_CP : (QUEUES[stream.queue]?.stream ?? 0);
  const manager = `${stream.engine}_QM`;
  const count = fence.rdataAddress - QM_REGISTERS.CP_FENCE_RDATA + QM_REGISTERS.CP_FENCE_CNT;
  return (
    `${stream.engine}, stream ${processor}: fence id ${fence.id} ` +
    `cnt = 0x${count.toString(16)} (${manager}.CP_FENCE${fence.id}_CNT_${processor}) ` +
    `rdata = 0x${fence.rdataAddress.toString(16)} (${manager}.CP_FENCE${fence.id}_RDATA_${processor}) ` +
    `value = ${fence.value}, cp_status = ${stream.cpSts}`
  );
}

/** Without leading zeros, so that nothing set is '0b'. */
function binary(value: number): string {
  return `0b${value === 0 ? '' : (value >>> 0).toString(2)}`;
}

/** Only DMA engines add to a sync object by themselves here (device.md 4.5). */
async function readSyncEngines(hardware: Device): Promise<SyncEngines> {
  const engines = new Map<number, string>();
  const addresses = await Promise.all(
    Array.from({ length: DMA_ENGINES }, (_, n) =>
      hardware.readRegister(dmaCoreBase(n) + DMA_CORE_REGISTERS.WR_COMP_ADDR_LO),
    ),
  );
  for (const [n, address] of addresses.entries()) {
    if (address !== 0) {
      engines.set(address >>> 0, `DMA${n}`);
    }
  }
  return engines;
}
