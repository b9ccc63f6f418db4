/** This project's own calls that record what goes on. No driver has them. */
import assert from 'node:assert/strict';
import { type CallRecord, TRACE_KIND, TraceReader, type TraceRecord } from '@pedrera/uapi';
import { decodeMessage } from '@pedrera/wire';
import type { Client } from '../framework/client.js';
import { TestList } from '../framework/conformance-test.js';
import { packets } from '../framework/packets.js';

export const trace = new TestList();

const BYTES = 1024 * 1024;
const ENDING = { least: 1, waitMs: 0 };

/** Ends the recording, and takes all there is. */
async function rest(recorder: Client, id: number): Promise<{ records: TraceRecord[]; lost: number }> {
  await recorder.call('TRACE_STOP', { id });
  const reader = new TraceReader((body) => decodeMessage(Buffer.from(body)));
  const records: TraceRecord[] = [];
  for (;;) {
    const { bytes, lost, ended } = await recorder.call('TRACE_READ', { id, ...ENDING });
    records.push(...reader.read(bytes));
    if (ended) {
      return { records, lost };
    }
  }
}

trace.add('own@trace-calls', { policy: 'both' }, async (env) => {
  const recorder = await env.greeted();
  const { id } = await recorder.call('TRACE_START', { kinds: TRACE_KIND.CALLS, pid: 0, bytes: BYTES });
  const client = await env.open();
  const { handle } = await client.call('CB_CREATE', { size: 4096, flags: 0 });
  await client.fails('EINVAL', 'CB_DESTROY', { handle: (handle + 0x7000_0000n) as typeof handle });
  const { records, lost } = await rest(recorder, id);
  assert.equal(lost, 0);
  const calls = records.filter((record): record is CallRecord => record.kind === 'call');
  const create = calls.find(({ call }) => call === 'CB_CREATE');
  assert.deepEqual(create?.req, { size: 4096, flags: 0 });
  assert.deepEqual(create.res, { handle });
  assert(calls.some(({ call, errno }) => call === 'CB_DESTROY' && errno === 'EINVAL'));
  assert(!calls.some(({ call }) => call.startsWith('TRACE_')), 'the connection that records is not recorded');
});

trace.add('own@trace-submissions', { policy: 'both' }, async (env) => {
  const recorder = await env.greeted();
  const client = await env.open();
  const kinds = TRACE_KIND.SUBMISSIONS | TRACE_KIND.ENGINES;
  const { id } = await recorder.call('TRACE_START', { kinds, pid: 0, bytes: BYTES });
  const seq = await client.run(packets().nop());
  const { records } = await rest(recorder, id);
  const kindsSeen = records.filter((record) => 'seq' in record && record.seq === seq).map(({ kind }) => kind);
  assert(
    kindsSeen.includes('submit') && kindsSeen.includes('finish') && kindsSeen.includes('job'),
    kindsSeen.join(' '),
  );
  assert(!records.some(({ kind }) => kind === 'call'), 'calls were not asked for');
});

trace.add('own@trace-ends-with-its-connection', { policy: 'both' }, async (env) => {
  const recorder = await env.greeted();
  await recorder.call('TRACE_START', { kinds: TRACE_KIND.CALLS, pid: 0, bytes: BYTES });
  await recorder.close();
  const other = await env.greeted();
  await env.until('nobody records', async () => {
    const { stopped } = await other.call('TRACE_STOP', { id: 0 });
    return stopped === 0 ? true : undefined;
  });
});

trace.add(
  'own@trace-start-bounds',
  { policy: 'both', covers: ['TRACE_START/EINVAL/kinds', 'TRACE_START/EINVAL/bytes'] },
  async (env) => {
    const recorder = await env.greeted();
    for (const kinds of [0, 0x8000_0000, TRACE_KIND.CALLS | 0x40]) {
      await recorder.fails('EINVAL', 'TRACE_START', { kinds, pid: 0, bytes: BYTES });
    }
    for (const bytes of [0, 65_535, 0xffff_ffff]) {
      await recorder.fails('EINVAL', 'TRACE_START', { kinds: TRACE_KIND.CALLS, pid: 0, bytes });
    }
  },
);

trace.add('own@trace-too-many', { policy: 'both', covers: ['TRACE_START/ENOSPC/recordings'] }, async (env) => {
  const recorder = await env.greeted();
  const start = { kinds: TRACE_KIND.EVENTS, pid: 0, bytes: 65_536 };
  for (let i = 0; i < 16; i++) {
    await recorder.call('TRACE_START', start);
  }
  await recorder.fails('ENOSPC', 'TRACE_START', start);
});

trace.add(
  'own@trace-read-bounds',
  { policy: 'both', covers: ['TRACE_READ/ENOENT/id', 'TRACE_READ/EBUSY/reading', 'TRACE_READ/EINVAL/wait'] },
  async (env) => {
    const recorder = await env.greeted();
    await recorder.fails('ENOENT', 'TRACE_READ', { id: 1_000_000, ...ENDING });
    const { id } = await recorder.call('TRACE_START', { kinds: TRACE_KIND.ENGINES, pid: 0xffff_fff0, bytes: BYTES });
    await recorder.fails('EINVAL', 'TRACE_READ', { id, least: 1, waitMs: 60_001 });
    const waiting = recorder.call('TRACE_READ', { id, least: 1, waitMs: 60_000 });
    await recorder.fails('EBUSY', 'TRACE_READ', { id, ...ENDING });
    const other = await env.greeted();
    await other.fails('ENOENT', 'TRACE_READ', { id, ...ENDING });
    // Another's may be ended, and whoever waits for it is told.
    await other.call('TRACE_STOP', { id });
    assert.equal((await waiting).ended, true);
    await recorder.fails('ENOENT', 'TRACE_READ', { id, ...ENDING });
  },
);

trace.add('own@trace-stop-unknown', { policy: 'both', covers: ['TRACE_STOP/ENOENT/id'] }, async (env) => {
  const recorder = await env.greeted();
  await recorder.fails('ENOENT', 'TRACE_STOP', { id: 1_000_000 });
  assert.equal((await recorder.call('TRACE_STOP', { id: 0 })).stopped, 0);
});
