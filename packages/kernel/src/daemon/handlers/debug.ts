/** DEBUG: debug mode and the trace units (uapi.md 8). */
import { errno } from '@pedrera/base';
import { type Handlers, MAX_DEBUG_OUTPUT_BYTES } from '@pedrera/uapi';
import type { Coresight, UnitCall } from '../../core/coresight.js';
import type { Session } from '../session.js';

type DebugCalls = Pick<Handlers<Session>, Extract<keyof Handlers<Session>, `DEBUG_${string}`>>;

export const DEBUG_HANDLERS: DebugCalls = {
  DEBUG_SET_MODE(session, { enable }) {
    const { device, requireContext } = session.openFile;
    device.coresight.setMode(enable, requireContext);
    return {};
  },

  DEBUG_ETR(session, req) {
    return { output: units(session, req).etr(req, req.input) };
  },

  DEBUG_ETF(session, req) {
    return { output: units(session, req).unit('ETF', req, { params: req.input }) };
  },

  DEBUG_STM(session, req) {
    return { output: units(session, req).unit('STM', req, { params: req.input }) };
  },

  DEBUG_FUNNEL(session, req) {
    return { output: units(session, req).unit('FUNNEL', req, undefined) };
  },

  DEBUG_BMON(session, req) {
    return { output: units(session, req).unit('BMON', req, { params: req.input }) };
  },

  DEBUG_SPMU(session, req) {
    return { output: units(session, req).spmu(req, req.input) };
  },

  DEBUG_TIMESTAMP(session, req) {
    return { output: units(session, req).timestamp(req) };
  },
};

/** The mode is looked at before the buffers are (uapi.md 8). */
function units(session: Session, { outputSize }: UnitCall): Coresight {
  const { coresight } = session.openFile.device;
  if (coresight.debugMode && outputSize > MAX_DEBUG_OUTPUT_BYTES) {
    throw errno('ENOMEM', `an output of ${outputSize} bytes; at most ${MAX_DEBUG_OUTPUT_BYTES} are served`);
  }
  return coresight;
}
