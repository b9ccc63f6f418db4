/** Tracepoints: silent while nobody records, and what recordings get. */
import { DCORE, encodeFence, encodeMsgLong, sobAddress } from '@pedrera/hw';
import { RECORD, TRACE_KIND, TraceReader, type TraceRecord } from '@pedrera/uapi';
import { decodeMessage } from '@pedrera/wire';
import { describe, expect, it, vi } from 'vitest';
import { TestRig } from '../test-rig.js';
import { nop } from '../test-support.js';
import { waitForSubmission } from '../wait.js';
import type { Recording } from './recording.js';

const ALL = Object.values(TRACE_KIND).reduce((all, kind) => all | kind, 0);
const FOREVER = 2n ** 63n - 1n;

function start(rig: TestRig, kinds: number, pid = 0): Recording {
  return rig.machine.trace.start({}, { kinds, pid, bytes: 2 ** 20 });
}

function recorded(rig: TestRig, recording: Recording): TraceRecord[] {
  rig.machine.trace.stop(recording.id);
  return new TraceReader((body) => decodeMessage(Buffer.from(body))).read(recording.writer.take());
}

describe('tracepoints', () => {
  it('are not called while nobody records, nor for kinds that nobody records', async () => {
    await using rig = new TestRig('shared');
    const { trace } = rig.machine;
    const points = [
      vi.spyOn(trace, 'submitted'),
      vi.spyOn(trace, 'finished'),
      vi.spyOn(trace, 'woke'),
      vi.spyOn(trace, 'event'),
    ];
    const setTrace = vi.spyOn(rig.device().hardware, 'setTrace');
    const file = await rig.open();
    const work = async () => {
      const { seq } = rig.csNow(file, { chunksExecute: [rig.chunk(file, 0, nop)] });
      const waiting = waitForSubmission(file, seq, FOREVER);
      rig.run();
      await waiting;
      rig.machine.eventLog.add({ kind: 'device', severity: 'info', text: 'test' });
    };
    expect(trace.kinds).toBe(0);
    await work();
    const recording = start(rig, TRACE_KIND.CALLS);
    await work();
    expect(points.map(({ mock }) => mock.calls.length)).toEqual([0, 0, 0, 0]);
    expect(setTrace).not.toHaveBeenCalled();
    trace.stop(recording.id);
    expect(trace.kinds).toBe(0);
    start(rig, ALL);
    await work();
    expect(points.every(({ mock }) => mock.calls.length > 0)).toBe(true);
    expect(setTrace).toHaveBeenCalled();
    trace.stop(0);
    expect(setTrace).toHaveBeenLastCalledWith(0, null);
  });

  it('tell a submission from its queue to whoever waited, and what the engine did for it', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    const recording = start(rig, TRACE_KIND.SUBMISSIONS | TRACE_KIND.ENGINES);
    const { seq } = rig.csNow(file, { chunksExecute: [rig.chunk(file, 1, nop)] });
    const waiting = waitForSubmission(file, seq, FOREVER);
    rig.run();
    await waiting;
    const records = recorded(rig, recording);
    const { pid, asid } = file.requireContext;
    const named = { device: 0, asid, seq };
    expect(records.find(({ kind }) => kind === 'submit')).toMatchObject({ ...named, pid, queues: [1], slots: [0] });
    expect(records.find(({ kind }) => kind === 'finish')).toMatchObject({ ...named, pid, error: null });
    expect(records.find(({ kind }) => kind === 'wake')).toMatchObject({ ...named, pid });
    expect(records.find(({ kind }) => kind === 'job')).toMatchObject({ ...named, queue: 1, end: 'done' });
  });

  it('tell of a wait that goes on when the recording ends', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    const recording = start(rig, TRACE_KIND.ENGINES);
    const stuck = rig.chunk(file, 0, (words) => encodeFence(words, 0, { id: 2, target: 1, dec: 1 }));
    rig.csNow(file, { chunksExecute: [stuck] });
    rig.run();
    const records = recorded(rig, recording);
    expect(records.find(({ kind }) => kind === 'fence wait')).toMatchObject({ queue: 0, value: 2, end: 'open' });
    expect(records.find(({ kind }) => kind === 'job')).toMatchObject({ end: 'open' });
  });

  it('tell of sync objects, with the dcore they are of', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    const { firstSob } = file.requireContext.leases.leaseSync(DCORE.E_N, { syncObjects: 8, monitors: 1 });
    const recording = start(rig, TRACE_KIND.SYNC);
    const address = sobAddress(DCORE.E_N, firstSob);
    const write = rig.chunk(file, 0, (words) => encodeMsgLong(words, 0, { address, value: 5 }));
    rig.csNow(file, { chunksExecute: [write] });
    rig.run();
    const sob = recorded(rig, recording).find(({ kind }) => kind === 'sob');
    expect(sob).toMatchObject({ dcore: DCORE.E_N, index: firstSob, value: 5, queue: 0 });
  });

  it('a recording of one process has nothing of others', async () => {
    await using rig = new TestRig('shared');
    const [one, other] = [await rig.open(0, 'primary', 11), await rig.open(0, 'primary', 12)];
    const recording = start(rig, TRACE_KIND.SUBMISSIONS | TRACE_KIND.ENGINES, 12);
    for (const file of [one, other]) {
      rig.csNow(file, { chunksExecute: [rig.chunk(file, 0, nop)] });
    }
    rig.run();
    const records = recorded(rig, recording);
    const asids = new Set(records.map((record) => ('asid' in record ? record.asid : null)));
    expect([...asids]).toEqual([other.requireContext.asid]);
  });
});

describe('a recording', () => {
  it('loses what its reader does not take, and never more than that', async () => {
    await using rig = new TestRig('shared');
    const recording = rig.machine.trace.start({}, { kinds: TRACE_KIND.CALLS, pid: 0, bytes: 65_536 });
    const bytes = new Uint8Array(1000);
    for (let i = 0; i < 100; i++) {
      rig.machine.trace.frame(RECORD.REQUEST, 1, 5, bytes, 0, bytes.length);
    }
    const { records, lost, unread } = recording.writer;
    expect(records + lost).toBe(100);
    expect(unread).toBeLessThanOrEqual(65_536);
    expect(lost).toBeGreaterThan(0);
  });

  it('answers a read once there is enough, or the time is up, or it has ended', async () => {
    await using rig = new TestRig('shared');
    const recording = start(rig, TRACE_KIND.CALLS);
    const tell = () => rig.machine.trace.frame(RECORD.REQUEST, 1, 5, new Uint8Array(20), 0, 20);
    expect(recording.read(1, 0)).toMatchObject({ ended: false, lost: 0 });
    const enough = recording.read(60, 1000);
    tell();
    tell();
    expect((await enough).bytes.length).toBe(96);
    const late = recording.read(1000, 5);
    tell();
    rig.clock.advance(5e6);
    expect((await late).bytes.length).toBe(48);
    const ended = recording.read(1, 1000);
    rig.machine.trace.stop(0);
    expect(await ended).toMatchObject({ ended: true });
  });
});
