/** `pedrera bufs`: the dma-bufs. Owns the text form of BuffersSnapshot. */
import type { BufferState, BuffersSnapshot } from '@pedrera/uapi';
import type { Style } from '../text/style.js';
import { type Column, tableLines } from '../text/table.js';
import { formatDuration, formatHex, formatSize } from '../text/units.js';
import type { Inspection } from './inspection.js';

const COLUMNS: readonly Column<BufferState>[] = [
  { title: 'ID', align: 'right', value: (buffer) => String(buffer.id) },
  { title: 'KIND', value: (buffer) => buffer.kind },
  { title: 'SIZE', align: 'right', value: (buffer) => formatSize(buffer.size) },
  { title: 'EXPORTER', value: ({ exporter }) => exporterText(exporter) },
  { title: 'AGE', align: 'right', value: (buffer) => formatDuration(buffer.ageMs) },
  { title: 'IMPORTERS', shrink: true, value: ({ importers }) => importers.map(importerText).join(', ') || '-' },
];

export const buffersInspection: Inspection<BuffersSnapshot> = {
  fetch: (session) => session.inspectBuffers(),
  render: renderBuffers,
};

export function renderBuffers({ buffers }: BuffersSnapshot, style: Style): string {
  if (buffers.length === 0) return 'no dma-bufs';
  const [titles, ...rows] = tableLines(buffers, COLUMNS, style.width);
  return [style.dim(titles ?? ''), ...rows].join('\n');
}

function exporterText({ pid, device, alive }: BufferState['exporter']): string {
  return `pid ${pid} on device ${device}${alive ? '' : ' (gone)'}`;
}

function importerText({ pid, device, address }: BufferState['importers'][number]): string {
  return `pid ${pid} on device ${device} at ${formatHex(address)}`;
}
