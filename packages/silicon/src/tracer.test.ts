/** What the device tells of its work: every record, and that recording changes nothing of what is done. */
import {
  ARB_CFG_0_ENABLE,
  CFG_BASE,
  cpFenceRdataAddress,
  createTraceRing,
  DCORE,
  DEVICE_TRACE,
  type DeviceTraceRecord,
  decodeMonitorArm,
  ENGINES,
  FAULT,
  fenceRdataAddress,
  QM_REGISTERS,
  qmBase,
  SOBS_PER_DCORE,
  sobAddress,
  TraceReader,
} from '@pedrera/hw';
import { describe, expect, it } from 'vitest';
import { createFabric, InProcessDevice, runAllUntilIdle } from './in-process-device.js';
import { HBM, HOST_VA, OPEN_RIGHTS, openMachine, rights, type TestMachine } from './test-harness.js';

const EVERYTHING = 0x1f;
const DMA2_0 = 9;

function record(machine: TestMachine, kinds: number = EVERYTHING, records = 256) {
  const ring = createTraceRing(records);
  const reader = new TraceReader(ring);
  machine.device.setTrace(kinds, ring);
  const take = () => {
    const taken: DeviceTraceRecord[] = [];
    reader.drain((one) => void taken.push({ ...one }));
    return taken;
  };
  return { reader, take, kinds: () => take().map(({ kind }) => kind) };
}

describe('trace', () => {
  it('a-job-from-its-descriptor-to-its-last-packet', () => {
    const machine = openMachine({ turn: { packets: 1, bytes: 4096 } });
    const { take } = record(machine, DEVICE_TRACE.JOBS);
    machine.run(1, 0, (p) => p.nop());
    machine.nowNs = 100;
    machine.submit(1, 0, (p) => p.nop(3));
    machine.device.step();
    machine.nowNs = 150;
    machine.device.runUntilIdle();
    const job = { asid: 1, queue: 0, lower: false, cut: false, value: 0 };
    expect(take()).toEqual([
      expect.objectContaining({ ...job, kind: 'job begin', timeNs: 0, index: 0, bytes: 8 }),
      expect.objectContaining({ ...job, kind: 'job end', timeNs: 0, index: 0 }),
      expect.objectContaining({ ...job, kind: 'job begin', timeNs: 100, sinceNs: 100, index: 1, bytes: 24 }),
      expect.objectContaining({ ...job, kind: 'job end', timeNs: 150, sinceNs: 100, index: 1, bytes: 24 }),
    ]);
  });

  it('the-lower-processor-works-in-the-name-of-a-queue', () => {
    const machine = openMachine();
    const { take } = record(machine, DEVICE_TRACE.JOBS);
    const [src, size] = machine.lower((p) => p.nop(2));
    machine.submitInternal(1, DMA2_0 + 1, (p) => p.cpDma(src, size));
    machine.device.runUntilIdle();
    const lower = take().filter((one) => one.lower);
    expect(lower).toMatchObject([
      { kind: 'job begin', queue: DMA2_0 + 1, index: 0, address: src, bytes: size },
      { kind: 'job end', queue: DMA2_0 + 1, index: 0, address: src, bytes: size },
    ]);
  });

  it('waits-at-fences-arbiters-and-barriers', async () => {
    const machine = openMachine({ turn: { packets: 4, bytes: 64 } });
    const { take, kinds } = record(machine, DEVICE_TRACE.WAITS);
    machine.run(1, 0, (p) => p.fence({ id: 2, target: 3, dec: 3 }));
    machine.nowNs = 70;
    machine.run(1, 4, (p) => p.long(cpFenceRdataAddress('DMA0', 0, 2), 3));
    expect(take()).toMatchObject([
      { kind: 'fence begin', timeNs: 0, asid: 1, queue: 0, index: 2, value: 3 },
      { kind: 'fence end', timeNs: 70, sinceNs: 0, asid: 1, queue: 0, index: 2, value: 3 },
    ]);
    machine.run(1, 0, (p) => p.dma({ src: HBM, dst: HBM + 4096, size: 1024 }).nop(1, { eb: 1 }));
    expect(take()).toEqual([]);
    machine.submit(1, 1, (p) => p.dma({ src: HBM, dst: HBM + 4096, size: 1024 }));
    machine.submit(1, 0, (p) => p.nop(1, { eb: 1 }));
    machine.device.runUntilIdle();
    expect(kinds()).toEqual(['barrier begin', 'barrier end']);
    await machine.device.writeRegister(qmBase('DMA0') + QM_REGISTERS.ARB_CFG_0, ARB_CFG_0_ENABLE);
    machine.run(1, 1, (p) => p.arb({ priority: 1 }).fence({ id: 0, target: 1, dec: 1 }));
    machine.run(1, 2, (p) => p.arb({ priority: 1 }));
    expect(kinds()).toEqual(['fence begin', 'grant begin']);
    await machine.device.writeRegister(qmBase('DMA0') + QM_REGISTERS.ARB_CFG_0, 0);
    expect(kinds()).toEqual(['grant end']);
  });

  it('moves-with-what-they-moved', () => {
    const machine = openMachine({ turn: { packets: 4, bytes: 4096 } });
    const { take } = record(machine, DEVICE_TRACE.MOVES);
    machine.submit(1, 4, (p) => p.dma({ src: HBM, dst: HBM + 65536, size: 10_000 }));
    machine.device.step();
    machine.nowNs = 90;
    machine.device.runUntilIdle();
    const move = { asid: 1, queue: 4, index: ENGINES.indexOf('DMA1'), address: HBM + 65536, bytes: 10_000 };
    expect(take()).toMatchObject([
      { ...move, kind: 'move begin', timeNs: 0 },
      { ...move, kind: 'move end', timeNs: 90, sinceNs: 0 },
    ]);
    // Half of it is there.
    const there = 2 ** 19;
    machine.run(1, 4, (p) => p.dma({ src: HBM + there, dst: HOST_VA, size: 2 * there }));
    expect(take()[1]).toMatchObject({ kind: 'move end', bytes: there });
  });

  it('a-write-a-monitor-that-was-armed-and-what-it-fired', () => {
    const machine = openMachine();
    const { take } = record(machine, DEVICE_TRACE.SYNC);
    machine.run(1, 0, (p) => p.waitFor(0, 5, 17, 'ge', 2));
    const armed = take();
    expect(armed).toMatchObject([
      { kind: 'arm', asid: 1, queue: 0, index: 2 * 512 + 5, address: fenceRdataAddress(0, 0) },
    ]);
    expect(decodeMonitorArm(armed[0]?.value ?? 0)).toMatchObject({ group: 2, mode: 'ge', value: 2 });
    machine.run(1, 1, (p) => p.sob(17, 'add', 1).sob(17, 'add', 1));
    const sob = { kind: 'sob', asid: 1, queue: 1, index: 2 * SOBS_PER_DCORE + 17 };
    expect(take()).toMatchObject([
      { ...sob, value: 1 },
      { ...sob, value: 2 },
      { kind: 'fire', asid: 1, queue: 0, index: 2 * 512 + 5, value: 1, address: fenceRdataAddress(0, 0) },
    ]);
    machine.device.clearSyncObjects(DCORE.E_N, 17, 1);
    expect(take()).toMatchObject([{ ...sob, queue: -1, value: 0 }]);
  });

  it('writes-from-another-device-are-put-down-to-the-holder', () => {
    const [ends0, ends1] = createFabric(2);
    const machine = openMachine({ index: 0, ...(ends0 === undefined ? {} : { fabric: ends0 }) });
    const peer = new InProcessDevice({
      index: 1,
      clock: { nowNs: () => 9 },
      memory: { hbmBank: () => new Uint8Array(4096) },
      ...(ends1 === undefined ? {} : { fabric: ends1 }),
    });
    peer.createContext(7, OPEN_RIGHTS);
    const ring = createTraceRing(8);
    peer.setTrace(DEVICE_TRACE.SYNC, ring);
    ends0?.fabricOut.get(1)?.tryPush(sobAddress(DCORE.E_N, 3) - CFG_BASE, 5);
    runAllUntilIdle([machine.device, peer]);
    const taken: DeviceTraceRecord[] = [];
    new TraceReader(ring).drain((one) => void taken.push({ ...one }));
    expect(taken).toMatchObject([{ kind: 'sob', asid: 7, queue: -1, value: 5, timeNs: 9 }]);
  });

  it('faults-as-they-are-reported', () => {
    const machine = openMachine();
    const { take } = record(machine, DEVICE_TRACE.FAULTS);
    machine.run(1, 0, (p) => p.long(0x1_0000_9000_0000, 1).long(0x1_0000_9000_0000, 1));
    expect(take()).toMatchObject([
      { kind: 'fault', asid: 1, queue: 0, index: 0, value: FAULT['page-fault'], address: 0x1_0000_9000_0000 },
    ]);
  });

  it('what-is-under-way-begins-with-the-recording-and-ends-with-the-context', async () => {
    const machine = openMachine();
    machine.run(1, 0, (p) => p.nop().fence({ id: 1, target: 1, dec: 1 }));
    machine.nowNs = 40;
    const { take, kinds } = record(machine);
    expect(take()).toMatchObject([
      { kind: 'job begin', timeNs: 40, queue: 0 },
      { kind: 'fence begin', timeNs: 40, queue: 0, index: 1 },
    ]);
    machine.nowNs = 90;
    await machine.device.destroyContext(1);
    expect(take()).toMatchObject([
      { kind: 'fence end', timeNs: 90, sinceNs: 40, cut: true },
      { kind: 'job end', timeNs: 90, sinceNs: 40, cut: true },
    ]);
    machine.device.createContext(1, rights());
    machine.device.setTrace(0, null);
    machine.forgetRings(1);
    await machine.device.removeBusRegion(100);
    machine.run(1, 0, (p) => p.nop());
    expect(kinds()).toEqual([]);
  });

  it('a-full-ring-loses-records-and-holds-nothing-up', () => {
    const machine = openMachine();
    const { reader } = record(machine, DEVICE_TRACE.SYNC, 4);
    machine.run(1, 0, (p) => {
      for (let i = 0; i < 20; i++) p.sob(i, 'set', 1);
    });
    expect([reader.size, reader.lost]).toEqual([4, 16]);
    expect(machine.device.machine.snapshot().counters.sobWrites).toBe(20);
  });

  it('recording-changes-nothing-of-what-is-done', () => {
    const outcome = (kinds: number) => {
      const machine = openMachine({ turn: { packets: 3, bytes: 512 } });
      record(machine, kinds);
      machine.submit(1, 0, (p) =>
        p
          .waitFor(0, 1, 8, 'ge', 3)
          .dma({ src: HBM, dst: HBM + 4096, size: 2048 })
          .sob(2, 'add', 7),
      );
      machine.submit(1, 4, (p) => p.sob(8, 'add', 1).nop(2).sob(8, 'add', 2).sob(40, 'set', 3), 1);
      machine.device.runUntilIdle();
      const { streams, syncObjects, counters, monitors } = machine.device.machine.snapshot();
      return { streams, syncObjects, counters, monitors, msis: machine.msis };
    };
    expect(outcome(EVERYTHING)).toEqual(outcome(0));
  });
});
