/**
 * The table of ioctls as C data: for each call, where its op, its pointers and its descriptors lie in the arg block.
 *
 * Owns: the text of the generated header. Must not know: any particular call, nor what the C code does with the data.
 * Offsets are the kernel's own (6.1): the library extends a shorter block with zeros before it looks, as the driver does (uapi.md 2.2).
 */
import {
  COMPLETION_RING_BYTES,
  COMPLETION_RING_OFFSET,
  DMABUF_KIND,
  DRM_FIRST,
  DRM_LETTER,
  ENTRIES,
  type Entry,
  HANDLE_TYPE,
  MAX_FILE_BYTES,
  MAX_PENDING,
  numberIn,
  PROTOCOL_VERSION,
  type StructLayout,
  TABLE,
} from '@pedrera/uapi';

type Binding = NonNullable<Entry['abi']>;
interface Test {
  readonly field: string;
  readonly mask?: number;
  readonly without?: number;
}

function place(struct: StructLayout, name: string): { readonly at: number; readonly size: number } {
  const field = struct.fields[name];
  if (field === undefined) throw new TypeError(`${struct.c} has no field ${name}`);
  return { at: field.at, size: field.as.size };
}

function test(struct: StructLayout, when: Test | undefined): string {
  if (when === undefined) return '{0, 0, 0, 0}';
  const { at, size } = place(struct, when.field);
  return `{${at}, ${size}, ${(when.mask ?? 0) >>> 0}u, ${(when.without ?? 0) >>> 0}u}`;
}

/** What the daemon expects among the buffers, in its order: that of the request's fields, what lies behind an array's first element after it. */
function inputs(entry: Entry, abi: Binding): string[] {
  const struct = abi.block.in;
  const rows: string[] = [];
  for (const name of Object.keys(entry.req)) {
    const where = abi.in[name];
    if (where === undefined || typeof where === 'string' || 'field' in where) continue;
    const pointer = place(struct, where.pointer);
    if ('struct' in where) {
      const bytes = place(struct, where.bytes);
      const size = where.struct.size['6.1'];
      rows.push(`{PD_STRUCT, ${pointer.at}, ${bytes.at}, ${bytes.size}, 1, ${size}, {0, 0, 0, 0}}`);
      continue;
    }
    const count = place(struct, where.count);
    const element = where.element === null ? 8 : where.element.size['6.1'];
    rows.push(
      `{PD_ARRAY, ${pointer.at}, ${count.at}, ${count.size}, ${element}, ${where.max}, ${test(struct, where.when)}}`,
    );
    const inner = abi.nested?.find(({ array }) => array === name);
    if (inner === undefined || where.element === null) continue;
    const innerPointer = place(where.element, inner.pointer);
    const innerCount = place(where.element, inner.count);
    rows.push(
      `{PD_NESTED, ${innerPointer.at}, ${innerCount.at}, ${innerCount.size}, 8, ${inner.max}, ${test(struct, inner.when)}}`,
    );
  }
  return rows;
}

/** Where the pointer lies that the answer goes to; -1 for a call that answers in its block. */
function outputAt(abi: Binding): number {
  if (abi.payload !== undefined || abi.text !== undefined) return place(abi.block.in, 'returnPointer').at;
  return abi.words === undefined ? -1 : place(abi.block.in, abi.words.pointer).at;
}

/** A result that is a number of the file's own table of descriptors, of which the program wants a real one. */
function descriptorAt(abi: Binding): number {
  const { out } = abi.block;
  const field = (abi.out as Readonly<Record<string, string | undefined>>).fd;
  return out === undefined || field === undefined ? -1 : place(out, field).at;
}

/** A descriptor of the program's that the call is to use. */
function descriptorInAt(abi: Binding): number {
  const place = (abi.in as Readonly<Record<string, unknown>>).fd;
  return typeof place === 'string' ? (abi.block.in.fields[place]?.at ?? -1) : -1;
}

/** What the completion ring answers: the number, the field that must be 0, how long the caller would wait. */
function ring({ ring: spec, block, success }: Binding): string {
  if (spec === undefined || success !== 'zero') return '-1, -1, -1';
  return [spec.seq, spec.plain, spec.timeoutUs].map((name) => place(block.in, name).at).join(', ');
}

/** Memory the device is to reach: its address, its size. */
function memory({ memory: spec, block }: Binding): string {
  return spec === undefined ? '-1, -1' : `${place(block.in, spec.address).at}, ${place(block.in, spec.size).at}`;
}

/** By which result a call shows that a signal ended it, and where that is the answer; elsewhere it is EINTR. */
function interrupted({ interrupted: spec, block }: Binding): string {
  const [field, value, ...more] = Object.entries(spec?.set ?? {}).flat();
  if (spec === undefined || block.out === undefined || field === undefined || more.length > 0)
    return '-1, 0, {0, 0, 0, 0}';
  return `${place(block.out, String(field)).at}, ${value}, ${test(block.in, spec.when)}`;
}

function flagsAt(abi: Binding): number {
  return abi.block.in.fields.flags === undefined ? -1 : place(abi.block.in, 'flags').at;
}

function call(entry: Entry, abi: Binding): string {
  const rows = inputs(entry, abi);
  const op = abi.block.in.fields.op === undefined ? '0, 0' : Object.values(place(abi.block.in, 'op')).join(', ');
  const interruptible = entry.errors.some(({ errno }) => errno === 'EINTR') ? 1 : 0;
  const variant = test(abi.block.in, entry.variant?.when);
  return (
    `  {"${entry.name}", ${entry.nr}, ${abi.block.size['6.1']}, ${op}, ${entry.op}, ${variant}, ` +
    `${rows.length}, {${rows.length === 0 ? '{0}' : rows.join(', ')}}, ${outputAt(abi)}, ${descriptorAt(abi)}, ${flagsAt(abi)}, ${descriptorInAt(abi)}, ${ring(abi)}, ${memory(abi)}, ${interruptible}, ${interrupted(abi)}},`
  );
}

/** Calls with a condition come before the one that is meant without it. */
function ordered(): Entry[] {
  return ENTRIES.filter(({ abi }) => abi !== undefined).sort(
    (a, b) => a.nr - b.nr || a.op - b.op || Number(a.variant === undefined) - Number(b.variant === undefined),
  );
}

export function renderTables(): string {
  const calls = ordered().map((entry) => call(entry, entry.abi as Binding));
  const most = Math.max(...ordered().map((entry) => inputs(entry, entry.abi as Binding).length));
  const codes = Object.values(TABLE)
    .filter(({ nr }) => nr >= 0x80 && nr < 0x100)
    .map(({ name, code }) => `#define PD_CODE_${name} ${code}`);
  return [
    '/* Generated from packages/uapi by packages/shim/src/tables.ts: where what lies in the arg blocks. */',
    '#pragma once',
    '#include <stdint.h>',
    '',
    `#define PD_PROTOCOL_VERSION ${PROTOCOL_VERSION}`,
    `#define PD_MAX_FILE_BYTES ${MAX_FILE_BYTES}`,
    `#define PD_HANDLE_COMMAND_BUFFER ${HANDLE_TYPE.COMMAND_BUFFER}`,
    `#define PD_RING_OFFSET 0x${COMPLETION_RING_OFFSET.toString(16)}ull`,
    `#define PD_RING_BYTES ${COMPLETION_RING_BYTES}`,
    `#define PD_RING_SLOTS ${MAX_PENDING}`,
    `#define PD_DRM_LETTER ${DRM_LETTER}`,
    `#define PD_DRM_FIRST ${DRM_FIRST}`,
    `#define PD_IMPORTER_FAMILY ${numberIn('I', 0)}`,
    `#define PD_KIND_SYNC_FILE ${DMABUF_KIND.SYNC_FILE}`,
    ...codes,
    '',
    `#define PD_MOST_INPUTS ${most}`,
    'enum pd_kind { PD_STRUCT = 1, PD_ARRAY, PD_NESTED };',
    'struct pd_test { uint16_t at, size; uint32_t mask, without; };',
    'struct pd_input { enum pd_kind kind; uint16_t pointer_at, count_at, count_size; uint32_t element, max; struct pd_test when; };',
    'struct pd_call {',
    '  const char *name; uint16_t nr, size, op_at, op_size; uint32_t op; struct pd_test variant;',
    '  int inputs; struct pd_input input[PD_MOST_INPUTS]; int output_at, descriptor_at, flags_at, descriptor_in_at, ring_at, plain_at, timeout_at;',
    '  int memory_at, memory_size_at, interruptible, interrupted_at; uint32_t interrupted_as; struct pd_test interrupted_when;',
    '};',
    'static const struct pd_call pd_calls[] = {',
    ...calls,
    '};',
    '',
  ].join('\n');
}
