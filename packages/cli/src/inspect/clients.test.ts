/** `pedrera ps`, as people see it. */
import { describe, expect, it } from 'vitest';
import { Scene, type Who } from '../testing/scene.js';
import { makeStyle } from '../text/style.js';
import { clientsDocument, renderClients, SORT_KEYS } from './clients.js';

const RELAY: Who = { pid: 4712, device: 1 };
const WATCH: Who = { pid: 4701, device: 0 };
const ALL = { device: undefined, pid: undefined, sort: 'pid', limit: 100 } as const;

/** A relay that waits for a signal, and somebody on a control node. */
function scene(): Scene {
  const snapshot = new Scene();
  const memory = { hbmBytes: 2 ** 21, hostBytes: 131_072, mappedBytes: 2 ** 22 };
  const handles = { commandBuffers: 11, hostBuffers: 2, dmaBufs: 2 };
  const numbers = { memory, handles, inFlight: 11, submitted: 12, connectedMs: 2500 };
  snapshot.client(RELAY, 'relay\u001b[31m.js', numbers);
  snapshot.submission(RELAY, 7, 'DMA_0_0');
  snapshot.queue(RELAY, 'DMA_0_0', [snapshot.monitor(3, 8, 0, 1)]);
  const idle = { commandBuffers: 0, hostBuffers: 0, dmaBufs: 0 };
  snapshot.client(WATCH, 'watch', { node: 'hl_controlD0', asid: null, handles: idle, connectedMs: 100 });
  return snapshot;
}

describe('ps', () => {
  it('nobody there', () => {
    expect(renderClients(clientsDocument(new Scene().snapshot, ALL), makeStyle(200, false))).toBe('no clients');
  });

  it('one client of each kind of node, and what the one waits for', () => {
    expect(renderClients(clientsDocument(scene().snapshot, ALL), makeStyle(200, false))).toBe(
      `
 PID  NODE          ASID    HBM     HOST  MAPPED  CB/HOST/DMABUF  FLIGHT  CS  FAULTS     AGE  WAITS FOR             PROGRAM
4701  hl_controlD0     -    0 B      0 B     0 B           0/0/0       0   0       0  100 ms  -                     watch
4712  hl1             12  2 MiB  128 KiB   4 MiB          11/2/2      11  12       0   2.5 s  SOB E_N 8 >= 1, is 0  relay?[31m.js`.slice(
        1,
      ),
    );
  });

  it('fits into 80 columns: counters make room for what it waits for', () => {
    const text = renderClients(clientsDocument(scene().snapshot, ALL), makeStyle(80, false));
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(text).toContain('SOB E_N 8 >= 1, is 0');
  });

  it('two files of one process on one device have waits of their own', () => {
    const twice = new Scene();
    const other: Who = { pid: 4712, device: 1, asid: 13 };
    for (const [who, sob, seq] of [
      [RELAY, 8, 7],
      [other, 9, 3],
    ] as const) {
      twice.client(who, 'relay', { asid: who.asid ?? 12 });
      twice.submission(who, seq, 'DMA_0_0');
      twice.queue(who, 'DMA_0_0', [twice.monitor(sob - 5, sob, 0, 1)], { seq });
      twice.waits(who, 'relay', seq);
    }
    expect(clientsDocument(twice.snapshot, ALL).clients.map(({ asid, waitsFor }) => [asid, waitsFor])).toEqual([
      [12, 'SOB E_N 8 >= 1, is 0'],
      [13, 'SOB E_N 9 >= 1, is 0'],
    ]);
  });

  it('a deadlock, a signal that cannot come and running work are told apart', () => {
    const dead = scene();
    dead.signallers(1, 8, { packets: [dead.packet(RELAY, 7, 'DMA_0_0', 8)] });
    expect(clientsDocument(dead.snapshot, ALL).clients[1]?.waitsFor).toBe('deadlock: SOB E_N 8 >= 1, is 0');
    const nobody = scene();
    nobody.signallers(1, 8, {});
    expect(clientsDocument(nobody.snapshot, ALL).clients[1]?.waitsFor).toBe('nobody signals: SOB E_N 8 >= 1, is 0');
    const running = new Scene();
    running.client(RELAY, 'relay');
    running.submission(RELAY, 7, 'DMA_0_0');
    running.queue(RELAY, 'DMA_0_0', [], { blockedOn: null });
    expect(clientsDocument(running.snapshot, ALL).clients[0]?.waitsFor).toBe('queue DMA_0_0');
  });

  it('sorts, filters and cuts', () => {
    const pids = (options: Partial<Parameters<typeof clientsDocument>[1]>) =>
      clientsDocument(scene().snapshot, { ...ALL, ...options }).clients.map(({ pid }) => pid);
    expect(pids({ sort: 'memory' })).toEqual([4712, 4701]);
    expect(pids({ sort: 'program' })).toEqual([4712, 4701]);
    expect(pids({ device: 0 })).toEqual([4701]);
    expect(pids({ pid: 4712 })).toEqual([4712]);
    const cut = clientsDocument(scene().snapshot, { ...ALL, limit: 1 });
    expect(cut).toMatchObject({ notShown: 1, clients: [{ pid: 4701 }] });
    expect(renderClients(cut, makeStyle(80, false))).toMatch(/\n1 more clients not shown \(--limit, --pid\)$/);
    for (const sort of Object.keys(SORT_KEYS)) expect(pids({ sort: sort as keyof typeof SORT_KEYS })).toHaveLength(2);
  });
});
