/**
 * What a file still holds when it is closed: objects that its program made and never let go of. Release takes them, so they are
 * no leak of the kernel's; but the program did not clean up.
 *
 * Owns: which objects count, and what they are called. Must not know when it is asked.
 */
import type { OpenFile } from './open-file.js';
import type { ImporterFile } from './rdma/importer-file.js';

type Counts = Readonly<Record<string, number>>;

export function leftInFile({ handles, hostBuffers, context, descriptors, attachments }: OpenFile): Counts {
  const counts: Record<string, number> = {};
  for (const table of [handles, hostBuffers]) {
    for (const { kind } of table.values()) {
      counts[kind] = (counts[kind] ?? 0) + 1;
    }
  }
  const mappings = [...(context?.addressSpace.mappings() ?? [])];
  return withoutZeros({
    ...counts,
    'mapping of host memory': mappings.filter(({ source }) => source.kind === 'host').length,
    'device memory': context?.allocations.size ?? 0,
    descriptor: descriptors.size,
    attachment: attachments.size,
  });
}

export function leftInImporter(file: ImporterFile): Counts {
  return withoutZeros({ 'memory region': [...file.regions()].length, descriptor: file.descriptors.size });
}

function withoutZeros(counts: Counts): Counts {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}
