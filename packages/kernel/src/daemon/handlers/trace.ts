/** TRACE_START, TRACE_READ, TRACE_STOP: recordings. */
import { type Handlers, MAX_TRACE_READ } from '@pedrera/uapi';
import type { Session } from '../session.js';

type TraceCalls = Pick<Handlers<Session>, 'TRACE_START' | 'TRACE_READ' | 'TRACE_STOP'>;

export const TRACE_HANDLERS: TraceCalls = {
  TRACE_START(session, options) {
    const { trace } = session.machine;
    const { calls } = session.table;
    // Before its first record, which comes as it begins.
    const timeNs = Math.floor(trace.clock.nowNs());
    // Before it begins: a recording has nothing of the connection that records.
    const recording = calls.recording(session, () => trace.start(session, options));
    return { id: recording.id, timeNs };
  },

  async TRACE_READ(session, { id, least, waitMs }) {
    const { trace } = session.machine;
    const recording = trace.of(session, id);
    const taken = await recording.read(Math.min(least, MAX_TRACE_READ), waitMs);
    if (taken.ended) {
      trace.forget(recording);
    }
    return taken;
  },

  TRACE_STOP(session, { id }) {
    const stopped = session.machine.trace.stop(id);
    return {
      stopped: stopped.length,
      records: stopped.reduce((sum, { writer }) => sum + writer.records, 0),
      lost: stopped.reduce((sum, { writer }) => sum + writer.lost, 0),
    };
  },
};
