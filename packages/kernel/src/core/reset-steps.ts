/**
 * How the steps of a hard reset are carried out on one device (uapi.md 7.2).
 *
 * Owns: who is rolled back, evicted and waited for, what of the kernel's books goes back to its beginning. Must not know
 * their order: reset.ts has it.
 */
import type { Timer } from '@pedrera/base';
import type { HlDevice } from './device.js';
import type { OpenFile } from './open-file.js';
import type { ResetSteps } from './reset.js';

export interface ResetStepsOptions {
  /** Sends SIGKILL; used with settings.killOnReset only. */
  readonly kill: ((pid: number) => void) | undefined;
  readonly up: () => void;
}

export function resetSteps(device: HlDevice, { kill, up }: ResetStepsOptions): ResetSteps {
  const primaries = () => [...device.files].filter(({ node }) => node === 'primary');
  return {
    async rollBack(verdict) {
      await Promise.all([...device.contexts].map((context) => context.stop(verdict)));
    },
    isOpen: () => primaries().length > 0,
    evict: (reason) => evict(device, primaries(), reason, kill),
    released: () => released(device),
    reinitialise: () => reinitialise(device),
    up: () => {
      device.eventLog.add({ kind: 'reset', severity: 'info', device: device.index, text: 'operational again' });
      up();
    },
    report: (message, failed) => {
      device.log[failed ? 'error' : 'warn']({ device: device.index }, message);
      const severity = failed ? 'error' : 'warning';
      device.eventLog.add({ kind: 'reset', severity, device: device.index, text: message });
    },
  };
}

async function evict(
  { settings }: HlDevice,
  files: readonly OpenFile[],
  reason: string,
  kill: ((pid: number) => void) | undefined,
): Promise<void> {
  if (settings.killOnReset) {
    for (const pid of new Set(files.map(({ requireContext }) => requireContext.pid))) {
      kill?.(pid);
    }
  }
  await Promise.all(files.map((file) => file.revoke(reason)));
}

/**
 * Under `exclusive` a context that an importer, or an unmapped buffer, still holds keeps the reset from going on, for a
 * while. Under `shared` one client could break the device for all in that way; there it is just left behind, stopped.
 */
async function released(device: HlDevice): Promise<boolean> {
  const { clock, policy, settings } = device;
  const deadlineNs = clock.nowNs() + settings.resetReleaseNs;
  while (policy.ownsDevice && device.contexts.size > 0) {
    let timer: Timer | undefined;
    const expired = new Promise<boolean>((resolve) => {
      timer = clock.at(deadlineNs, () => resolve(false));
    });
    const goOn = await Promise.race([device.contexts.changed().then(() => true), expired]);
    timer?.cancel();
    if (!goOn) {
      return false;
    }
  }
  return true;
}

async function reinitialise(device: HlDevice): Promise<boolean> {
  await device.hardware.reset();
  device.syncStream.reset();
  device.drainInterrupts();
  device.events.clear();
  device.firmware.revive();
  device.coresight.reset();
  device.linksDown = 0;
  return device.isIdle();
}
