/**
 * Nothing of the contract is unaccounted for: every name of the C header that concerns Gaudi has a row in the support matrix, or a
 * reason why it needs none.
 */
import { existsSync, readFileSync } from 'node:fs';
import { PACKET_NAMES, QUEUES } from '@pedrera/hw';
import { ENTRIES, LIMIT_C_NAMES } from '@pedrera/uapi';
import { beforeEach, describe, expect, it } from 'vitest';
import { renderSupportMarkdown, supportMatrix } from './support.js';

const HEADER = '/usr/include/misc/habanalabs.h';
const { rows, counts } = supportMatrix();

/** Names of the importer's test driver, which has a header of its own (uapi.md 6.6). */
const OTHER_HEADER = /^HL_IMPORTER_/;
/** Names of the other chips, and of what they alone have. */
const OTHER_CHIPS = /^(HL_)?(GOYA|GAUDI2)_|^HL_DMA_/;

/** Names that are bounds, sizes or notation rather than something a device does. */
const NOTATION = new Set([
  'HABANALABS_H_',
  'HL_IOCTL_INFO',
  'HL_COMMAND_START',
  'HL_COMMAND_END',
  'HL_DEVICE_STATUS_LAST',
  'HL_CLK_THROTTLE_TYPE_MAX',
  'HL_GAUDI_PLL_MAX',
  'GAUDI_QUEUE_ID_SIZE',
  'GAUDI_ENGINE_ID_SIZE',
  // Sizes of arrays in structs, which c-parity.test.ts of the uapi package compares field by field.
  'HL_BUSY_ENGINES_MASK_EXT_SIZE',
  'HL_ENGINES_DATA_MAX_SIZE',
  // What of the device the driver keeps for itself: the answers of INFO HW_IP_INFO and SYNC_MANAGER say so.
  'GAUDI_DRIVER_SRAM_RESERVED_SIZE_FROM_START',
  'GAUDI_FIRST_AVAILABLE_W_S_SYNC_OBJECT',
  'GAUDI_FIRST_AVAILABLE_W_S_MONITOR',
]);

/** Every macro and enumerator of the header. */
function namesOf(header: string): string[] {
  const text = header.replaceAll(/\/\*.*?\*\//gs, '');
  const macros = [...text.matchAll(/^#define\s+(\w+)/gm)].map((match) => match[1] as string);
  const enumerators = [...text.matchAll(/^enum\s+\w+\s*\{(.*?)\}/gms)].flatMap((match) =>
    [...(match[1] as string).matchAll(/^\s*(\w+)/gm)].map((member) => member[1] as string),
  );
  return [...macros, ...enumerators];
}

describe('support matrix', () => {
  it('has every call, packet and queue once', () => {
    const named = (kind: string) => rows.filter((row) => row.kind === kind).map(({ name }) => name);
    expect(named('call')).toEqual(ENTRIES.map(({ name }) => name));
    expect(named('packet')).toEqual([...PACKET_NAMES]);
    expect(named('queue')).toEqual(QUEUES.map(({ name }) => name));
    const keys = rows.map(({ kind, name }) => `${kind} ${name}`);
    expect(new Set(keys).size).toBe(keys.length);
    expect(counts.exact + counts.functional + counts.refused).toBe(rows.length);
  });

  it('says with which errno something is refused, and what every level rests on', () => {
    for (const { name, level, errno, evidence } of rows) {
      if (level === 'refused') expect(errno, name).toMatch(/^E[A-Z]+$/);
      expect(evidence.section, name).toMatch(/^(uapi\.md \d|architecture \d)/);
      if (evidence.source !== undefined)
        expect(evidence.source, name).toMatch(/^drivers\/misc\/habanalabs\/\w+\/\w+\.c$/);
    }
  });

  it('becomes a section of tables', () => {
    const text = renderSupportMarkdown(supportMatrix());
    expect(text).toContain('| CS_FLAGS.STAGED | `HL_CS_FLAGS_STAGED_SUBMISSION` | exact |');
    expect(text).toContain('| CB_FLAGS.MAP | `HL_CB_FLAGS_MAP` | refused | ENOMEM: Gaudi maps no command buffers |');
  });

  it('names the tests it is told of', () => {
    const told = supportMatrix(({ name }) => (name === 'CB_CREATE' ? ['a.test.ts'] : []));
    expect(told.rows.find(({ name }) => name === 'CB_CREATE')?.evidence.tests).toEqual(['a.test.ts']);
    expect(told.rows.find(({ name }) => name === 'CB_INFO')?.evidence).not.toHaveProperty('tests');
  });
});

describe('the C header of 6.1', () => {
  beforeEach((context) => {
    if (!existsSync(HEADER)) context.skip(`${HEADER} is not there: install linux-libc-dev (6.1)`);
  });

  it('has no name for Gaudi without a row', () => {
    const accounted = new Set([...rows.flatMap(({ c }) => c), ...Object.keys(LIMIT_C_NAMES), ...NOTATION]);
    const names = namesOf(readFileSync(HEADER, 'utf8')).filter((name) => !OTHER_CHIPS.test(name));
    expect(names.length).toBeGreaterThan(250);
    expect(names.filter((name) => !accounted.has(name))).toEqual([]);
  });

  it('has every name that a row claims it has', () => {
    const names = new Set(namesOf(readFileSync(HEADER, 'utf8')));
    const claimed = rows.flatMap(({ c }) => c).filter((name) => !OTHER_HEADER.test(name));
    expect(claimed.filter((name) => !names.has(name))).toEqual([]);
  });
});
