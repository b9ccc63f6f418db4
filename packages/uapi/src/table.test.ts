/** The table is complete and consistent, and its types say what its shapes say. */
import { ERRNO } from '@pedrera/base';
import { describe, expect, expectTypeOf, it } from 'vitest';
import type { Handlers } from './handlers.js';
import { callCode, errnosOf } from './ioctl.js';
import type { CommandBufferHandle } from './protocol.js';
import { byCode, byOp, ENTRIES, entryOf, type IoctlName, type Req, type Res, TABLE } from './table.js';

describe('table', () => {
  it('keys are names, and every name is written as the house writes ioctls', () => {
    for (const [key, entry] of Object.entries(TABLE)) {
      expect(entry.name).toBe(key);
      expect(key).toMatch(/^[A-Z]+(_[A-Z0-9]+)*$/);
    }
    expect(ENTRIES).toHaveLength(Object.keys(TABLE).length);
  });

  it('every entry is documented and names its errors', () => {
    for (const entry of ENTRIES) {
      expect(entry.doc, entry.name).toMatch(/^\S.{30,}\.$/s);
      for (const { errno, id, when } of entry.errors) {
        expect(ERRNO, entry.name).toHaveProperty(errno);
        expect(id, `${entry.name} ${errno}`).toMatch(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/);
        expect(when, `${entry.name} ${errno} ${id}`).toMatch(/^\S.{3,}[^.]$/);
      }
      const causes = entry.errors.map(({ errno, id }) => `${errno}/${id}`);
      expect(new Set(causes).size, entry.name).toBe(causes.length);
      if (!/^(INSPECT_|INJECT_LIST$)/.test(entry.name)) expect(causes, entry.name).not.toEqual([]);
    }
  });

  it("the driver's calls name the section of their rules", () => {
    for (const entry of ENTRIES.filter(({ abi }) => abi !== undefined))
      expect(entry.doc, entry.name).toMatch(/uapi\.md \d/);
  });

  it('codes are unique, lead back to the entry and fit 32 bits', () => {
    expect(new Set(ENTRIES.map(({ code }) => code)).size).toBe(ENTRIES.length);
    for (const entry of ENTRIES) {
      expect(byCode(entry.code)).toBe(entry);
      expect(entryOf(entry.name)).toBe(entry);
      expect(entry.code).toBe(callCode(entry.nr, entry.op, entry.variant?.index));
      expect(entry.op).toBeLessThan(256);
      expect(entry.variant?.index ?? 0).toBeLessThan(16);
    }
    expect(byCode(0)).toBeUndefined();
  });

  it("a driver's call that is gated by reset says EBUSY, one that is not does not", () => {
    for (const entry of ENTRIES.filter(({ nr }) => nr < 0x80)) {
      expect(errnosOf(entry.errors).includes('EBUSY'), entry.name).toBe(!entry.duringReset);
    }
  });

  it('ops answered during a reset are those of uapi.md 1.6', () => {
    const answered = ENTRIES.filter(({ nr, duringReset }) => nr === 1 && duringReset).map(({ op }) => op);
    expect(answered.sort((a, b) => a - b)).toEqual([0, 1, 4, 7, 9, 11, 13, 14, 18, 23, 24, 25, 26, 30, 31]);
  });

  it('the control node answers INFO and nothing else of the driver', () => {
    for (const entry of ENTRIES.filter(({ nr }) => nr < 0x80)) {
      expect(entry.access, entry.name).toBe(entry.nr === 1 ? 'both' : 'primary');
    }
  });

  it('before OPEN there is only what needs no device', () => {
    const free = ENTRIES.filter(({ access }) => access === 'any').map(({ name }) => name);
    expect(free.filter((name) => !/^(INSPECT|FILE|INJECT|TRACE)(_|$)/.test(name))).toEqual([
      'HELLO',
      'OPEN',
      'SIDE_CHANNEL',
      'JOIN',
      'CALL_INTERRUPT',
    ]);
  });

  it('a flag decides between the two maps; the one without a condition is asked last', () => {
    expect(byOp(5, 2).map(({ name }) => name)).toEqual(['MEMORY_MAP_HOST', 'MEMORY_MAP_DEVICE']);
    expect(byOp(5, 99)).toEqual([]);
  });

  it('every op of the contract is there, and no other', () => {
    const ops = (nr: number) => [...new Set(ENTRIES.filter((entry) => entry.nr === nr).map(({ op }) => op))];
    expect(ops(1)).toEqual([...Array(33).keys()].filter((op) => ![5, 19, 20].includes(op)));
    expect(ops(2)).toEqual([0, 1, 2]);
    expect(ops(5)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(ops(6)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('what is refused says with which errno, and only the contract refuses', () => {
    const refused = ENTRIES.filter(({ level }) => level === 'refused');
    expect(refused.map(({ name }) => name)).toEqual(['INFO_SECURED_ATTESTATION', 'MEMORY_MAP_BLOCK']);
    for (const { name, errors } of refused) expect(errors.length, name).toBeGreaterThan(1);
  });
});

describe('types that follow from the table', () => {
  it('requests and results', () => {
    expectTypeOf<Req<'CB_CREATE'>>().toEqualTypeOf<{ size: number; flags: number }>();
    expectTypeOf<Res<'CB_CREATE'>['handle']>().toEqualTypeOf<CommandBufferHandle>();
    expectTypeOf<Res<'WAIT_CS'>['timestampNs']>().toEqualTypeOf<bigint>();
    expectTypeOf<Req<'CS'>['chunksExecute'][number]['handle']>().toEqualTypeOf<bigint>();
    expectTypeOf<Res<'INSPECT_QUEUES'>['snapshot']['devices'][number]['index']>().toEqualTypeOf<number>();
    expectTypeOf<keyof Res<'CB_DESTROY'>>().toEqualTypeOf<never>();
  });

  it('one handler per name, no more and no less', () => {
    expectTypeOf<keyof Handlers<object>>().toEqualTypeOf<IoctlName>();
    expectTypeOf<Parameters<Handlers<{ asid: number }>['HOST_FREE']>[0]>().toEqualTypeOf<{ asid: number }>();
  });
});
