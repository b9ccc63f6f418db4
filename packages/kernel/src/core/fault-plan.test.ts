/** Rules of failure on a real device model: what they strike, what they leave alone, and that chance repeats itself. */
import { encodeMsgLong, encodeNop, SRAM_USER_BASE } from '@pedrera/hw';
import { ANY_FAULT_RULE, type Req } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { TestRig } from './test-rig.js';

const PACKETS: Req<'INJECT_ARM'> = { ...ANY_FAULT_RULE, on: 'packet', action: 'page-fault' };

const nop = (words: Uint32Array): number => encodeNop(words, 0);
const write = (words: Uint32Array): number => encodeMsgLong(words, 0, { address: SRAM_USER_BASE, value: 1 });

describe('FaultPlan', () => {
  it('a packet of one process faults, that of another does not', async () => {
    await using rig = new TestRig('shared');
    const victim = await rig.open(0, 'primary', 10);
    const other = await rig.open(0, 'primary', 11);
    rig.machine.faults.arm({ ...PACKETS, pid: 10, opcode: 'NOP', times: 0 });
    const struck = rig.submit(victim, 0, nop);
    const spared = rig.submit(other, 0, nop);
    rig.run();
    expect([struck.outcome?.error, spared.outcome?.error]).toEqual(['EIO', undefined]);
    expect(spared.finished).toBe(true);
    const [state] = await rig.machine.faults.list();
    expect(state).toMatchObject({ matched: 1, struck: 1, pid: 10, opcode: 'NOP', times: null });
    expect([...rig.machine.eventLog].some(({ kind, pid }) => kind === 'inject' && pid === 10)).toBe(true);
  });

  it('a process that opens after the rule was armed is struck, too', async () => {
    await using rig = new TestRig('shared');
    rig.machine.faults.arm({ ...PACKETS, pid: 10 });
    const victim = await rig.open(0, 'primary', 10);
    rig.machine.faults.contextsChanged(rig.device());
    const struck = rig.submit(victim, 0, nop);
    rig.run();
    expect(struck.outcome?.error).toBe('EIO');
  });

  it('after, times and cleared', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    const id = rig.machine.faults.arm({ ...PACKETS, opcode: 'NOP', after: 1, times: 2 });
    const submissions = [0, 1, 2, 3].map(() => rig.submit(file, 0, nop));
    rig.run();
    expect(submissions.map(({ outcome }) => outcome?.error)).toEqual([undefined, 'EIO', 'EIO', undefined]);
    expect(rig.machine.faults.clear(id)).toBe(1);
    expect(await rig.machine.faults.list()).toEqual([]);
  });

  it('an address that is touched', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    rig.machine.faults.arm({ ...PACKETS, address: SRAM_USER_BASE, length: 4, times: 0 });
    rig.submit(file, 0, nop);
    rig.submit(file, 0, write);
    rig.run();
    expect((await rig.machine.faults.list())[0]).toMatchObject({ matched: 1, struck: 1 });
    expect(file.requireContext.faults).toBe(1);
  });

  it('what is delayed completes all the same', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    rig.machine.faults.arm({ ...PACKETS, opcode: 'NOP', action: 'delay', value: 5_000_000 });
    const submission = rig.submit(file, 0, nop);
    rig.run();
    expect(submission.finished).toBe(true);
    expect((await rig.machine.faults.list())[0]).toMatchObject({ action: 'delay', value: 5_000_000, struck: 1 });
  });

  it('the same seed strikes the same calls', async () => {
    const runs: string[] = [];
    for (const seed of [1, 1, 2]) {
      await using rig = new TestRig('shared');
      rig.machine.faults.arm({
        ...PACKETS,
        on: 'call',
        call: 'CS',
        action: 'errno',
        target: 'ENOMEM',
        times: 0,
        perMillion: 300_000,
        seed,
      });
      const outcome = () => {
        try {
          rig.machine.faults.call('CS', 1, undefined);
          return '.';
        } catch {
          return 'x';
        }
      };
      runs.push(Array.from({ length: 64 }, outcome).join(''));
    }
    expect(runs[0]).toBe(runs[1]);
    expect(runs[0]).not.toBe(runs[2]);
    const struck = runs[0]?.replaceAll('.', '').length ?? 0;
    expect(struck).toBeGreaterThan(5);
    expect(struck).toBeLessThan(40);
  });

  it('a rule without a name leaves looking and mending alone', async () => {
    await using rig = new TestRig('shared');
    const { faults } = rig.machine;
    faults.arm({ ...PACKETS, on: 'call', action: 'errno', target: 'EIO', times: 0 });
    expect(() => faults.call('INSPECT_SNAPSHOT', 1, undefined)).not.toThrow();
    expect(() => faults.call('CB_DESTROY', 1, undefined)).not.toThrow();
    expect(() => faults.call('CB_CREATE', 1, undefined)).toThrow(
      /rule 1 of `pedrera inject` made CB_CREATE number 1 fail/,
    );
  });
});
