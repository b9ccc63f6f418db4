/** Pages of a snapshot, put together. */
import type { Snapshot } from '@pedrera/uapi';
import { expect, it } from 'vitest';
import { addPage } from './snapshot.js';

const HEAD = { schema: 'pedrera.snapshot/1', timeNs: 7, daemon: { pid: 1 } };

function page(sections: object): Snapshot {
  return { ...HEAD, ...sections } as unknown as Snapshot;
}

it('lists go on, and what a page adds to a device or an address space goes to it', () => {
  const whole = page({
    calls: [1],
    queues: [{ index: 0, queues: ['a'] }],
    sync: [{ device: 0, objects: [1], monitors: [], leases: [] }],
    mappings: [{ device: 0, asid: 1, mappings: ['m'] }],
    memory: { devices: [0], owners: [] },
  });
  addPage(
    whole,
    page({
      calls: [2],
      events: [],
      queues: [
        { index: 0, queues: ['b'] },
        { index: 1, queues: ['c'] },
      ],
      sync: [{ device: 0, objects: [], monitors: [2], leases: [3] }],
      mappings: [
        { device: 0, asid: 1, mappings: ['n'] },
        { device: 0, asid: 2, mappings: [] },
      ],
      memory: { devices: [], owners: [9] },
    }),
  );
  expect(whole).toEqual({
    ...HEAD,
    calls: [1, 2],
    events: [],
    queues: [
      { index: 0, queues: ['a', 'b'] },
      { index: 1, queues: ['c'] },
    ],
    sync: [{ device: 0, objects: [1], monitors: [2], leases: [3] }],
    mappings: [
      { device: 0, asid: 1, mappings: ['m', 'n'] },
      { device: 0, asid: 2, mappings: [] },
    ],
    memory: { devices: [0], owners: [9] },
  });
});
