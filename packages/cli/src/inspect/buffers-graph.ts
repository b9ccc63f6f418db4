/**
 * Who shares which buffer with whom, for Graphviz: processes, buffers and devices. Pure.
 *
 * Owns: the picture. Must not know: what is suspicious about a buffer; it is told.
 */
import type { BufferState } from '@pedrera/uapi';
import { dotString } from '../text/dot.js';
import { formatHex, formatSize } from '../text/units.js';

interface GraphDocument {
  readonly buffers: readonly (BufferState & { readonly suspicion: string | null })[];
}

/** To be read by `dot`. */
export function renderBufferGraph({ buffers }: GraphDocument): string {
  const devices = new Set(buffers.map(({ exporter }) => exporter.device));
  const pids = new Set(buffers.flatMap(pidsOf));
  return [
    'digraph bufs {',
    '  rankdir=LR; node [fontname="sans-serif"]; edge [fontname="sans-serif", fontsize=10];',
    ...[...devices].map((device) => `  ${node('dev', device)} [shape=ellipse, label=${dotString(`hl${device}`)}];`),
    ...[...pids].map((pid) => `  ${node('pid', pid)} [shape=box, label=${dotString(`pid ${pid}`)}];`),
    ...buffers.flatMap(bufferLines),
    '}',
  ].join('\n');
}

function bufferLines(buffer: GraphDocument['buffers'][number]): string[] {
  const { id, kind, size, name, exporter, importers, attachments, references, fences, suspicion } = buffer;
  const self = node('buf', id);
  const pending = fences.filter(({ state }) => state === 'pending').length;
  const label = [
    name || `dma-buf ${id}`,
    `${kind}, ${formatSize(size)}`,
    ...(pending > 0 ? [`${pending} pending`] : []),
  ];
  const look = suspicion === null ? '' : ', color=red, fontcolor=red';
  const idle = attachments.filter(({ mapped }) => mapped === 0);
  const users = new Set([exporter, ...importers, ...attachments].map(({ pid }) => pid));
  const keepers = new Set(references.map(({ pid }) => pid).filter((pid) => pid !== 0 && !users.has(pid)));
  const exported = exporter.alive ? 'exports' : 'exported, gone';
  return [
    `  ${self} [shape=cylinder, label=${dotString(label.join('\n'))}${look}];`,
    `  ${node('pid', exporter.pid)} -> ${self} [label=${dotString(exported)}${exporter.alive ? '' : ', style=dashed'}];`,
    `  ${self} -> ${node('dev', exporter.device)} [style=dotted, arrowhead=none, label="lies in"];`,
    ...importers.map(({ pid, device, address }) => {
      return `  ${self} -> ${node('pid', pid)} [label=${dotString(`hl${device} at ${formatHex(address)}`)}];`;
    }),
    ...idle.map(({ pid, importer }) => {
      return `  ${self} -> ${node('pid', pid)} [style=dashed, label=${dotString(`${importer}, not mapped`)}];`;
    }),
    ...[...keepers].map((pid) => `  ${self} -> ${node('pid', pid)} [style=dashed, label="held by"];`),
  ];
}

function pidsOf({ exporter, importers, attachments, references }: BufferState): number[] {
  const all = [exporter, ...importers, ...attachments, ...references].map(({ pid }) => pid);
  return all.filter((pid) => pid !== 0);
}

function node(kind: string, id: number): string {
  return `${kind}${id}`;
}
