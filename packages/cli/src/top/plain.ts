/** `pedrera top -l`: a few lines for each look, for logs and for terminals that cannot be drawn on. Pure. */
import { cutRows } from '../inspect/rows.js';
import { printable } from '../text/style.js';
import { formatNumber, formatSize, plural } from '../text/units.js';
import type { Shares, TopDocument } from './rates.js';
import { chosenClients, type TopState } from './state.js';

/** Those that do most; the others do little, or are too many to read. */
const SHOWN_CLIENTS = 100;

export function plainLines(document: TopDocument, state: TopState): string {
  const { devices, engines } = document;
  const time = `t=${(document.timeNs / 1e9).toFixed(3)}`;
  const isShown = (device: number | null) => state.device === null || device === state.device;
  const lines = devices
    .filter(({ index }) => isShown(index))
    .map(({ index, status, hbm, submissionsPerS, dmaBytesPerS, blockedStreams }) =>
      [
        `${time} device ${index}`,
        status,
        `hbm ${formatSize(hbm.used)} of ${formatSize(hbm.total)}`,
        `${formatNumber(submissionsPerS)} cs/s`,
        `dma ${formatSize(Math.round(dmaBytesPerS))}/s`,
        `${blockedStreams} blocked`,
      ].join(', '),
    );
  for (const { device, name, shares, hung, used } of engines) {
    if (!isShown(device) || !(used || hung || state.idle)) continue;
    lines.push(`${time} engine ${device} ${name}: ${hung ? 'hangs' : sharesText(shares)}`);
  }
  const { rows, notShown } = cutRows(chosenClients(document, state), SHOWN_CLIENTS);
  for (const { pid, program, device, asid, shares, hbmBytes, inFlight, submissionsPerS } of rows) {
    const where = device === null ? '' : ` device ${device}${asid === null ? '' : ` asid ${asid}`}`;
    lines.push(
      `${time} client ${pid} ${printable(program)}${where}: ${sharesText(shares)}, hbm ${formatSize(hbmBytes)}, ${formatNumber(submissionsPerS)} cs/s, ${inFlight} in flight`,
    );
  }
  if (notShown > 0) lines.push(`${time} ${plural(notShown, 'more client')} not shown (-J shows all)`);
  return lines.join('\n');
}

function sharesText({ busy, waitSync, waitMemory }: Shares): string {
  return `busy ${busy.toFixed(1)}%, sync ${waitSync.toFixed(1)}%, memory ${waitMemory.toFixed(1)}%`;
}
