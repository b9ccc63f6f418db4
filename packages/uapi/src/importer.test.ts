/** The importer node's part of the contract: figures of the public test suite's header, and the family in a command. */
import { describe, expect, it } from 'vitest';
import { magicOf, numberIn } from './ioctl.js';
import { BLOCK_BY_NR, IMPORTER_NR } from './ioctls/blocks.js';
import { commandNumber, decodeArgs, encodeArgs } from './raw.js';
import { decodeReply, encodeCall } from './raw-caller.js';
import { HL_IMPORTER_DEREG, HL_IMPORTER_READ, HL_IMPORTER_REG_IN, HL_IMPORTER_REG_OUT } from './structs-importer.js';
import { byOp, entryOf } from './table.js';

const offsets = ({ fields }: typeof HL_IMPORTER_REG_IN | typeof HL_IMPORTER_READ) =>
  Object.fromEntries(Object.values(fields).map(({ c, at }) => [c, at]));

describe('importer node', () => {
  it('commands', () => {
    const numbers = Object.values(IMPORTER_NR).map((nr) => commandNumber(nr, BLOCK_BY_NR.get(nr)?.size['2021'] ?? 0));
    expect(numbers).toEqual([0xc0404901, 0xc0204902, 0xc0204903, 0xc0204904]);
    expect(Object.values(IMPORTER_NR).map((nr) => [magicOf(nr), nr & 0xff])).toEqual([
      ['I', 1],
      ['I', 2],
      ['I', 3],
      ['I', 4],
    ]);
    expect(numberIn('H', 5)).toBe(5);
    expect(magicOf(0x88)).toBe('H');
  });

  it('structs', () => {
    expect(offsets(HL_IMPORTER_REG_IN)).toEqual({ offset: 0, length: 8, iova: 16, fd: 24, access_flags: 28, res: 32 });
    expect(offsets(HL_IMPORTER_READ)).toEqual({ mr_handle: 0, userptr: 8, size: 16, offset: 20, res: 24 });
    expect([HL_IMPORTER_REG_IN, HL_IMPORTER_REG_OUT, HL_IMPORTER_DEREG].map(({ size }) => size['6.1'])).toEqual([
      64, 64, 32,
    ]);
  });

  it('a-call-and-its-answer', () => {
    const entry = entryOf('IMPORTER_REG_MR');
    const req = { fd: 5, offset: 4096, length: 8192, iova: 2 ** 40, accessFlags: 6 };
    const { cmd, block } = encodeCall(entry, req);
    expect(cmd).toBe(0xc0404901);
    const call = decodeArgs(cmd, block, [], 'I');
    expect(call).toMatchObject({ name: 'IMPORTER_REG_MR', req, error: null });
    const reply = encodeArgs(call, { mrHandle: 77 });
    expect(decodeReply(entry, reply)).toEqual({ mrHandle: 77 });
    expect([...reply.block.subarray(8)]).toEqual(new Array(56).fill(0));
  });

  it('the-node-decides-what-a-number-means', () => {
    const { cmd, block } = encodeCall(entryOf('IMPORTER_DEREG_MR'), { mrHandle: 1 });
    expect(byOp(2, 0).map(({ name }) => name)).toEqual(['CB_CREATE']);
    // The driver looks at the number alone.
    expect(decodeArgs(cmd, block, []).name).toBe('CB_CREATE');
    expect(decodeArgs(cmd, block, [], 'I').name).toBe('IMPORTER_DEREG_MR');
    expect(decodeArgs(commandNumber(2, 32), block, [], 'I').error).toMatchObject({ code: 'ENOTTY' });
    expect(decodeArgs(0xc0204905, block, [], 'I').error).toMatchObject({ code: 'ENOTTY' });
    expect(decodeArgs(0xc0204900, block, [], 'I').error).toMatchObject({ code: 'ENOTTY' });
  });
});
