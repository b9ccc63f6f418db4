/** A process whose memory is mapped and that ends: faults, and nothing worse (uapi.md 5.6). */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { DRAM_USER_BASE, encodeLinDma } from '@pedrera/hw';
import { afterEach, describe, expect, it } from 'vitest';
import { mapHostMemory } from './host-mapping.js';
import { TestRig } from './test-rig.js';

const PAGE = 4096;
let child: ChildProcess | undefined;

afterEach(() => {
  child?.kill('SIGKILL');
  child = undefined;
});

/** The last page of a process's stack, which holds its arguments. */
function stackOf(pid: number): number {
  const line = readFileSync(`/proc/${pid}/maps`, 'utf8')
    .split('\n')
    .find((text) => text.endsWith('[stack]')) as string;
  return Number.parseInt(line.split(' ')[0]?.split('-')[1] as string, 16) - PAGE;
}

describe('a process that ends', () => {
  it.each(['exclusive', 'shared'] as const)('%s', async (policy) => {
    await using rig = new TestRig(policy);
    child = spawn(process.execPath, ['-e', 'console.log(1); setInterval(() => {}, 1000)', 'a-word-to-look-for']);
    await once(child.stdout as NonNullable<ChildProcess['stdout']>, 'data');
    const pid = child.pid as number;
    const file = await rig.open(0, 'primary', pid);
    const context = file.requireContext;
    const va = mapHostMemory(file, { address: stackOf(pid), size: PAGE, hint: 0, forceHint: false });
    const target =
      policy === 'exclusive'
        ? DRAM_USER_BASE
        : mapHostMemory(file, { address: stackOf(pid), size: PAGE, hint: 0, forceHint: false });
    const copy = () => {
      const submission = rig.submit(file, 0, (words) => encodeLinDma(words, 0, { size: PAGE, src: va, dst: target }));
      rig.run();
      return submission.outcome?.error;
    };
    expect(copy()).toBeUndefined();
    expect(context.faults).toBe(0);
    if (policy === 'exclusive') {
      const view = rig.device().memory.hbm.map(DRAM_USER_BASE, PAGE);
      expect(Buffer.from(view.bytes).includes('a-word-to-look-for')).toBe(true);
      view.unmap();
    }
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(copy()).toBe(policy === 'shared' ? 'EIO' : undefined);
    expect(context.faults).toBe(1);
    await context.addressSpace.unmap(va);
    await rig.close(file);
    expect(rig.device().bus.slotsInUse).toBe(0);
  });
});
