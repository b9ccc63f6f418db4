/** INJECT: faults on purpose. */
import { errno } from '@pedrera/base';
import type { Handlers } from '@pedrera/uapi';
import { inject } from '../../core/inject.js';
import type { Session } from '../session.js';

export const INJECT_HANDLERS: Pick<Handlers<Session>, 'INJECT'> = {
  async INJECT(session, { device: index, kind, target, value }) {
    const { devices } = session.machine;
    const device = devices[index];
    if (device === undefined) {
      throw errno('ENXIO', `there is no device ${index}; this machine has ${devices.length}`);
    }
    await device.hardware.ready();
    const effect = await inject(device, { kind, target, value });
    session.log.info({ device: index, kind, target, value }, effect);
    return { effect };
  },
};
