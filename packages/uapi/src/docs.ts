/**
 * docs/uapi.md, rendered from the table.
 *
 * Owns: the wording and order of that document. Must not know: files; scripts/generate-docs.mjs writes it.
 */
import { ERRNO, ERRNO_MEANING, type ErrnoCode } from '@pedrera/base';
import type { Shape } from './composite-kinds.js';
import { CONSTANT_GROUPS } from './constants.js';
import { COMMON_ERRORS, errnosOf, magicOf } from './ioctl.js';
import { BLOCK_BY_NR } from './ioctls/blocks.js';
import type { Kind, KindShape } from './kinds.js';
import { placeOf, type StructLayout } from './layout.js';
import { LIMIT_C_NAMES } from './limits.js';
import { MAX_FRAME_BYTES, PROTOCOL_VERSION } from './protocol.js';
import { commandNumber } from './raw.js';
import { STRUCTS } from './structs.js';
import { IMPORTER_STRUCTS } from './structs-importer.js';
import { ENTRIES, type Entry } from './table.js';

const hex = (value: number): string => (value < 10 ? `${value}` : `0x${value.toString(16)}`);
const cell = (text: string): string => text.replaceAll('|', '\\|');

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  if (rows.length === 0) return [];
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line), ''];
}

const FAMILIES: readonly { readonly title: string; readonly of: (entry: Entry) => boolean }[] = [
  { title: 'Session', of: (entry) => entry.nr === 0x80 },
  { title: 'INFO', of: (entry) => entry.nr === 1 },
  { title: 'Command buffers', of: (entry) => entry.nr === 2 },
  { title: 'Command submission', of: (entry) => entry.nr === 3 || entry.nr === 4 },
  { title: 'Memory', of: (entry) => entry.nr === 5 },
  { title: 'Host memory and leases', of: (entry) => entry.nr === 0x81 },
  { title: 'Sharing', of: (entry) => entry.nr === 0x82 },
  { title: 'Dma-bufs', of: (entry) => entry.nr === 0x86 },
  { title: 'Importer node', of: (entry) => entry.nr >= 0x100 || entry.nr === 0x88 },
  { title: 'Synchronization', of: (entry) => entry.nr === 0x87 },
  { title: 'Tracing', of: (entry) => entry.nr === 6 },
  { title: 'Inspection', of: (entry) => entry.nr === 0x83 },
  { title: 'Virtual files', of: (entry) => entry.nr === 0x84 },
  { title: 'Fault injection', of: (entry) => entry.nr === 0x85 },
  { title: 'Recording', of: (entry) => entry.nr === 0x89 },
];

/** The whole document; `support` is a section about how faithful everything is, from whoever knows packets and queues, too. */
export function renderUapiMarkdown(support = ''): string {
  const lines = [
    ...introduction(),
    ...overview(),
    support,
    '',
    ...FAMILIES.flatMap(({ title, of }) => [`## ${title}`, '', ...ENTRIES.filter(of).flatMap(call)]),
    ...commands(),
    ...constants(),
    ...structs(),
    ...errnos(),
  ];
  return `${lines
    .join('\n')
    .replaceAll(/\n{3,}/g, '\n\n')
    .trimEnd()}\n`;
}

function introduction(): string[] {
  return [
    '# The user API',
    '',
    '<!-- Generated from the table in packages/uapi/src/ioctls by scripts/generate-docs.mjs. Do not edit. -->',
    '',
    `Every call user space can make, with its fields, its errors and its layout in C. Protocol version ${PROTOCOL_VERSION}; a frame holds at most`,
    `${MAX_FRAME_BYTES} bytes.`,
    '',
    'The same table says what is accepted, so this document cannot be out of step with the code. A TypeScript program sends typed arguments, a C program',
    'the bytes of its arg block; both reach the same handler. `u53` is a 64-bit field whose legal values a JavaScript number holds exactly; `u64` and handles',
    'are bigints. `?` marks a trailing field that may be left out.',
    '',
    'Citations such as "uapi.md 4.3" are to the reference, the description of the driver that this table follows, not to this document.',
    '',
    'Calls may be made on the primary node (`hl<i>`), the control node (`hl_controlD<i>`), both, or, with "any", before a node is open. A call marked "in',
    'reset" is answered while the device is not operational; the others then fail with EBUSY.',
    '',
    'Levels: *exact* does what the driver does, errno for errno, under the exclusive policy; *functional* does the same work but not in every corner, or work',
    'the driver does not have; *refused* only fails, as the contract has it for Gaudi.',
    '',
    `Besides the errors listed, any call can end with ${Object.entries(COMMON_ERRORS)
      .map(([code, why]) => `${code} (${why})`)
      .join(', ')}, and with EINVAL when a field is not of its kind.`,
    '',
  ];
}

function overview(): string[] {
  const rows = ENTRIES.map((entry) => [
    `[${entry.name}](#${entry.name.toLowerCase()})`,
    hex(entry.code),
    entry.access,
    entry.duringReset ? 'yes' : '',
    entry.level,
  ]);
  return ['## Calls', '', ...table(['call', 'code', 'node', 'in reset', 'level'], rows)];
}

function call(entry: Entry): string[] {
  return [
    `### ${entry.name}`,
    '',
    entry.doc,
    '',
    ...fields('Request', entry.req, (name) => inC(entry, name)),
    ...fields('Result', entry.res, (name) => outC(entry, name)),
    ...errorTable(entry),
  ];
}

function errorTable(entry: Entry): string[] {
  const rows = entry.errors.map(({ errno, id, when, unreachable }) => [
    errno,
    `\`${id}\``,
    unreachable === undefined ? when : `${when}. Not met here: ${unreachable}`,
  ]);
  return table(['error', 'cause', 'when'], rows);
}

function fields(title: string, shape: Shape, c: (name: string) => string): string[] {
  const rows = Object.entries(shape).map(([name, kind]) => [`\`${name}\``, describeKind(kind), c(name)]);
  if (rows.length === 0) return [`${title}: nothing.`, ''];
  return rows.every((row) => row[2] === '')
    ? table(
        [title, 'kind'],
        rows.map((row) => row.slice(0, 2)),
      )
    : table([title, 'kind', 'in C'], rows);
}

function inC(entry: Entry, name: string): string {
  const where = entry.abi?.in[name];
  if (entry.abi === undefined || where === undefined) return '';
  const struct = entry.abi.block.in;
  if (typeof where === 'string') return cName(struct, where);
  if ('field' in where) return cName(struct, where.field);
  if ('struct' in where) return `${cName(struct, where.pointer)} -> ${where.struct.c}`;
  const element = where.element === null ? '__u64' : where.element.c;
  return `${cName(struct, where.pointer)} -> ${element}[${cName(struct, where.count)}]`;
}

function outC(entry: Entry, name: string): string {
  const where = entry.abi?.out[name];
  const struct = entry.abi?.payload ?? entry.abi?.block.out;
  return where === undefined || struct === undefined ? '' : cName(struct, where);
}

function cName(struct: StructLayout, field: string): string {
  return `\`${struct.fields[field]?.c ?? field}\``;
}

function describeKind(kind: Kind<unknown>): string {
  const suffix = kind.optional === true ? '?' : '';
  return describeShape(kind.shape, kind.label.replace(/\?$/, '')) + suffix;
}

function describeShape(shape: KindShape, label: string): string {
  switch (shape.type) {
    case 'flags':
      return `flags: ${Object.entries(shape.bits)
        .map(([name, bit]) => `${name} ${hex(bit)}`)
        .join(', ')}`;
    case 'choice':
      return `one of ${Object.entries(shape.values)
        .map(([name, value]) => `${name} ${value}`)
        .join(', ')}`;
    case 'word':
      return `one of ${shape.values.join(', ')}`;
    case 'array':
      return `array of at most ${shape.max}: ${describeKind(shape.element)}`;
    case 'struct':
      return `{ ${Object.entries(shape.fields)
        .map(([name, kind]) => `${name}: ${describeKind(kind)}`)
        .join('; ')} }`;
    case 'optional':
      return describeKind(shape.inner);
    case 'document':
      return `document \`${shape.schema}\``;
    case 'integer':
    case 'boolean':
    case 'string':
    case 'bytes':
      return label;
  }
}

function commands(): string[] {
  const rows = [...BLOCK_BY_NR].map(([nr, block]) => {
    const sizes = (['6.1', '2021'] as const).map(
      (abi) => `${block.size[abi]} / 0x${commandNumber(nr, block.size[abi]).toString(16)}`,
    );
    return [magicOf(nr) === 'H' ? `${nr}` : `${magicOf(nr)} ${nr & 0xff}`, block.macro, block.c, ...sizes];
  });
  return [
    '## Command numbers',
    '',
    'Bytes of the arg block and full ioctl command, for programs compiled with the header of Linux 6.1 and with the one of 2021. Only the number selects the call, on the importer node together with its letter.',
    '',
    ...table(['nr', 'macro', 'arg block', '6.1', '2021'], rows),
  ];
}

function constants(): string[] {
  const groups = CONSTANT_GROUPS.map(({ name, values }) => [
    `\`${name}\``,
    Object.entries(values)
      .map(([key, value]) => `${key} ${hex(value)}`)
      .join(', '),
  ]);
  const limits = Object.entries(LIMIT_C_NAMES).map(([name, value]) => [`\`${name}\``, `${value}`]);
  return ['## Constants', '', ...table(['group', 'values'], groups), ...table(['limit', 'value'], limits)];
}

function structs(): string[] {
  const sections = [...STRUCTS, ...IMPORTER_STRUCTS].flatMap((struct) => {
    const rows = Object.values(struct.fields).map((field) => {
      const old = struct.size['2021'] === 0 ? null : placeOf(field, '2021');
      return [
        `\`${field.c}\``,
        field.as.c,
        `${field.at}`,
        `${field.as.size}`,
        old === null ? '-' : `${old.at}:${old.as.size}`,
      ];
    });
    const size2021 = struct.size['2021'] === 0 ? 'unknown there' : `${struct.size['2021']} bytes`;
    return [
      `### ${struct.c}`,
      '',
      `${struct.size['6.1']} bytes; in 2021 ${size2021}.`,
      '',
      ...table(['field', 'type', 'offset', 'bytes', '2021'], rows),
    ];
  });
  return [
    '## C structs',
    '',
    'Little-endian, natural alignment. Fields at one offset are members of a union.',
    '',
    ...sections,
  ];
}

function errnos(): string[] {
  const used = new Set<string>(Object.keys(COMMON_ERRORS));
  for (const entry of ENTRIES) for (const code of errnosOf(entry.errors)) used.add(code);
  const codes = (Object.keys(ERRNO) as ErrnoCode[]).filter((code) => used.has(code));
  return [
    '## Errors',
    '',
    ...table(
      ['errno', 'number', 'meaning'],
      codes.map((code) => [code, `${ERRNO[code]}`, ERRNO_MEANING[code]]),
    ),
  ];
}
