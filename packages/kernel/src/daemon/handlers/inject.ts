/** INJECT: faults on purpose, at once or by rule. */
import { errno } from '@pedrera/base';
import type { Handlers } from '@pedrera/uapi';
import { inject } from '../../core/inject.js';
import type { Session } from '../session.js';

export const INJECT_HANDLERS: Pick<Handlers<Session>, Extract<keyof Handlers<Session>, `INJECT${string}`>> = {
  async INJECT(session, { device: index, kind, target, value }) {
    const { devices } = session.machine;
    const device = devices[index];
    if (device === undefined) {
      throw errno('ENXIO', `there is no device ${index}; this machine has ${devices.length}`);
    }
    await device.hardware.ready();
    const effect = await inject(device, { kind, target, value });
    session.machine.eventLog.add({ kind: 'inject', severity: 'warning', device: index, text: effect });
    session.log.info({ device: index, kind, target, value }, effect);
    return { effect };
  },

  INJECT_ARM(session, request) {
    const id = session.machine.faults.arm(request);
    session.log.info({ rule: id, ...request }, 'a rule of failure is armed');
    return { id };
  },

  async INJECT_LIST(session) {
    return { faults: { schema: 'pedrera.faults/1', rules: await session.machine.faults.list() } };
  },

  INJECT_CLEAR(session, { id }) {
    const cleared = session.machine.faults.clear(id);
    session.log.info({ rule: id, cleared }, 'rules of failure are cleared');
    return { cleared };
  },
};
