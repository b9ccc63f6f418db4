/** `pedrera status`. Owns the text form of DaemonSnapshot. */
import { type DaemonSnapshot, DEVICE_STATUS, type DeviceState } from '@pedrera/uapi';
import type { Context } from '../command.js';
import { EXIT, type ExitCode } from '../exit.js';
import { withSession } from '../session.js';
import type { Style } from '../text/style.js';
import { type Column, drawTable } from '../text/table.js';
import { formatDuration, formatSize, plural } from '../text/units.js';

const DEVICE_COLUMNS: readonly Column<DeviceState>[] = [
  { title: 'DEVICE', align: 'right', value: (device) => String(device.index) },
  { title: 'STATUS', value: (device) => statusName(device.status) },
  { title: 'CONTEXTS', align: 'right', value: (device) => String(device.contexts) },
  { title: 'HBM USED', align: 'right', value: (device) => formatSize(device.hbm.used) },
  { title: 'OF', align: 'right', value: (device) => formatSize(device.hbm.total) },
  { title: 'RESETS', align: 'right', value: (device) => String(device.resets.hard + device.resets.soft) },
];

export async function showStatus(context: Context): Promise<ExitCode> {
  return withSession(context, async (session) => {
    context.output.result(await session.inspectDaemon(), renderStatus);
    return EXIT.ok;
  });
}

function renderStatus(daemon: DaemonSnapshot, style: Style): string {
  const objects = Object.entries(daemon.objects)
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${count} ${kind}`);
  return [
    `${style.green('running')} on ${daemon.socket}, pid ${daemon.pid}, policy ${daemon.policy}`,
    `up ${formatDuration(daemon.uptimeMs)}, ${formatSize(daemon.residentBytes)} resident, build ${daemon.build}, protocol ${daemon.protocolVersion}`,
    `objects: ${objects.length === 0 ? 'none' : objects.join(', ')}`,
    ...refusedLines(daemon),
    ...(daemon.collapsesRepeatedDma ? [style.yellow('identical moves in a row are made once: --collapse-dma')] : []),
    ...(daemon.armedFaults > 0
      ? [style.yellow(`${plural(daemon.armedFaults, 'rule')} of failure armed (pedrera inject list)`)]
      : []),
    ...drawTable(daemon.devices, DEVICE_COLUMNS, style),
  ].join('\n');
}

/** What programs asked for in vain. */
function refusedLines({ refused }: DaemonSnapshot): string[] {
  const calls = Object.entries(refused).map(([call, count]) => `${count} ${call}`);
  return calls.length === 0 ? [] : [`refused, as the driver of a Gaudi does: ${calls.join(', ')}`];
}

function statusName(status: number): string {
  const found = Object.entries(DEVICE_STATUS).find(([, value]) => value === status);
  return found === undefined ? String(status) : found[0].toLowerCase().replaceAll('_', ' ');
}
