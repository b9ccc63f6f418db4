/**
 * The layouts, constants and command numbers against the C header of Linux 6.1, by a compiled program. The 2021 header is not
 * packaged anywhere, so that generation is held against the figures of the reference here and in layout.test.ts.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CONSTANT_GROUPS } from './constants.js';
import { magicOf } from './ioctl.js';
import { BLOCK_BY_NR } from './ioctls/blocks.js';
import { LIMIT_C_NAMES } from './limits.js';
import { commandNumber } from './raw.js';
import { STRUCTS } from './structs.js';

const COMPILER = process.env.CC ?? 'cc';
const HEADER = 'misc/habanalabs.h';
const INSTALL = `the C header <${HEADER}> could not be compiled: install a C compiler and linux-libc-dev (6.1)`;

/**
 * A machine with nothing but Node still runs the other tests; what it cannot compare is reported as skipped, with what to
 * install. In CI the comparison is not optional.
 */
const comparable =
  process.env.CI !== undefined ||
  spawnSync(COMPILER, ['-E', '-include', HEADER, '-x', 'c', '/dev/null'], { stdio: 'ignore' }).status === 0;

/** The importer node's structs are in no header of the kernel. */
const DRIVERS = [...BLOCK_BY_NR].filter(([nr]) => magicOf(nr) === 'H');

interface Fact {
  /** A C expression of integer type. */
  readonly c: string;
  readonly expected: number;
}

function facts(): Fact[] {
  const all: Fact[] = [];
  for (const { c: struct, size, fields } of STRUCTS) {
    all.push({ c: `sizeof(${struct})`, expected: size['6.1'] });
    for (const { c, at, as } of Object.values(fields)) {
      all.push({ c: `offsetof(${struct}, ${c})`, expected: at });
      all.push({ c: `sizeof(((${struct} *)0)->${c})`, expected: as.size });
    }
  }
  for (const [nr, block] of DRIVERS) {
    all.push({ c: block.macro, expected: commandNumber(nr, block.size['6.1']) });
    all.push({ c: `sizeof(${block.c})`, expected: block.size['6.1'] });
  }
  for (const { c, values } of CONSTANT_GROUPS) {
    for (const [key, value] of Object.entries(values)) all.push({ c: c(key), expected: value });
  }
  for (const [c, expected] of Object.entries(LIMIT_C_NAMES)) all.push({ c, expected });
  return all;
}

function program(all: readonly Fact[]): string {
  const lines = all.map(({ c }) => `  printf("%llu\\n", (unsigned long long)(${c}));`);
  return `#include <stddef.h>\n#include <stdio.h>\n#include <linux/types.h>\n#include <${HEADER}>\nint main(void)\n{\n${lines.join('\n')}\n  return 0;\n}\n`;
}

describe('C header of 6.1', () => {
  const all = facts();
  let dir = '';
  let answers: string[] = [];

  beforeAll(() => {
    if (!comparable) return;
    dir = mkdtempSync(path.join(os.tmpdir(), 'pedrera-parity-'));
    const source = path.join(dir, 'parity.c');
    const binary = path.join(dir, 'parity');
    writeFileSync(source, program(all));
    const compiled = spawnSync(COMPILER, ['-Wall', '-o', binary, source], { encoding: 'utf8' });
    if (compiled.error !== undefined || compiled.status !== 0) {
      throw new Error(`${INSTALL}\n${compiled.error?.message ?? compiled.stderr}`);
    }
    answers = spawnSync(binary, { encoding: 'utf8' }).stdout.trim().split('\n');
  }, 60_000);

  beforeEach((context) => {
    if (!comparable) context.skip(INSTALL);
  });

  afterAll(() => {
    if (dir !== '') rmSync(dir, { recursive: true, force: true });
  });

  it('agrees on every size, offset, constant and command number', () => {
    expect(answers).toHaveLength(all.length);
    const differing = all
      .map(({ c, expected }, i) => ({ c, expected, header: Number(answers[i]) }))
      .filter(({ expected, header }) => expected !== header);
    expect(differing).toEqual([]);
    expect(all.length).toBeGreaterThan(300);
  });

  it('knows no flag, op or status in these groups that we do not', () => {
    const source = spawnSync(COMPILER, ['-E', '-dM', '-include', HEADER, '-x', 'c', '/dev/null'], {
      encoding: 'utf8',
    }).stdout;
    const ours = new Set(CONSTANT_GROUPS.flatMap(({ c, values }) => Object.keys(values).map(c)));
    const groups =
      /^#define (HL_(CB_OP|CB_FLAGS|CS_FLAGS|CS_CHUNK_FLAGS|WAIT_CS_FLAGS|WAIT_CS_STATUS|MEM_OP|DEBUG_OP|NOTIFIER_EVENT)_\w+)/gm;
    const theirs = [...source.matchAll(groups)].map((match) => match[1] as string);
    expect(theirs.length).toBeGreaterThan(40);
    expect(theirs.filter((name) => !ours.has(name))).toEqual([]);
  });
});

describe('header of 2021 (figures of uapi.md 2.1)', () => {
  it('command numbers', () => {
    const commands = Object.fromEntries(DRIVERS.map(([nr, { size }]) => [nr, commandNumber(nr, size['2021'])]));
    expect(commands).toEqual({
      1: 0xc018_4801,
      2: 0xc018_4802,
      3: 0xc030_4803,
      4: 0xc018_4804,
      5: 0xc028_4805,
      6: 0xc028_4806,
    });
  });
});
