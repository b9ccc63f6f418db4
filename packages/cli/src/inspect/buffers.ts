/** `pedrera bufs`: the dma-bufs. Owns the text form of BuffersSnapshot. */
import type { BufferHolder, BufferState, BuffersSnapshot } from '@pedrera/uapi';
import type { Style } from '../text/style.js';
import { type Column, tableLines } from '../text/table.js';
import { formatDuration, formatHex, formatSize } from '../text/units.js';
import type { Inspection } from './inspection.js';

const COLUMNS: readonly Column<BufferState>[] = [
  { title: 'ID', align: 'right', value: (buffer) => String(buffer.id) },
  { title: 'KIND', value: (buffer) => buffer.kind },
  { title: 'SIZE', align: 'right', value: (buffer) => formatSize(buffer.size) },
  { title: 'NAME', value: (buffer) => buffer.name || '-' },
  { title: 'EXPORTER', value: ({ exporter }) => exporterText(exporter) },
  { title: 'AGE', align: 'right', value: (buffer) => formatDuration(buffer.ageMs) },
  { title: 'FENCES', value: fencesText },
  { title: 'HELD BY', shrink: true, value: ({ references }) => references.map(holderText).join(', ') },
  { title: 'IMPORTERS', shrink: true, value: importersText },
];

export const buffersInspection: Inspection<BuffersSnapshot> = {
  fetch: (session) => session.inspectBuffers(),
  render: renderBuffers,
};

export function renderBuffers({ buffers, totals }: BuffersSnapshot, style: Style): string {
  if (buffers.length === 0) return 'no dma-bufs';
  const [titles, ...rows] = tableLines(buffers, COLUMNS, style.width);
  return [style.dim(titles ?? ''), ...rows, '', totalsText(totals)].join('\n');
}

function exporterText({ pid, device, alive }: BufferState['exporter']): string {
  return `pid ${pid} on device ${device}${alive ? '' : ' (gone)'}`;
}

/** What an access would wait for comes first; errors last. */
function fencesText({ fences }: BufferState): string {
  const count = (wanted: BufferState['fences'][number]['state']) => {
    const found = fences.filter(({ state }) => state === wanted);
    const usages = [...new Set(found.map(({ usage }) => usage))].join('+');
    const errors = [...new Set(found.flatMap(({ error }) => error ?? []))].join('+');
    const detail = wanted === 'failed' ? errors : usages;
    return found.length === 0 ? [] : [`${found.length} ${wanted} (${detail})`];
  };
  return [...count('pending'), ...count('failed'), ...count('signalled')].join(', ') || '-';
}

function holderText({ holder, pid, count }: BufferHolder): string {
  const what = count === 1 ? holder : `${count} ${holder}s`;
  return pid === 0 ? what : `${what} of ${pid}`;
}

/** Attached, or attached and mapped. */
function importersText({ importers, importerCount, attachments }: BufferState): string {
  const idle = attachments.filter(({ mapped }) => mapped === 0);
  const texts = [
    ...importers.map(({ pid, device, address }) => `pid ${pid} on device ${device} at ${formatHex(address)}`),
    ...idle.map(({ pid, importer }) => `pid ${pid} on ${importer}, not mapped`),
    ...(importerCount > importers.length ? [`${importerCount - importers.length} more`] : []),
  ];
  return texts.join(', ') || '-';
}

function totalsText({ buffers, attachments, references, pendingFences, devices }: BuffersSnapshot['totals']): string {
  const all = `${buffers} dma-bufs, ${attachments} attachments, ${references} references, ${pendingFences} pending fences`;
  const memory = devices
    .filter(({ allocations }) => allocations > 0)
    .map(({ device, usedBytes, exportedBytes }) => {
      return `device ${device}: ${formatSize(usedBytes)} allocated, ${formatSize(exportedBytes)} of it exported`;
    });
  return [all, ...memory].join('; ');
}
