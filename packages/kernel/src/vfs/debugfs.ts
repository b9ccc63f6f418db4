/**
 * /sys/kernel/debug/habanalabs/hl<i>: every file of it (uapi.md 9.2).
 *
 * Owns: names, modes, what a read says and what a write does. What is written takes effect on the device itself; what is
 * read comes from it. Must not know paths above the device's directory.
 */
import { errno } from '@pedrera/base';
import { ARM_RST_CONTROL, KMD_MSG_TO_CPU, MMU_REGISTERS } from '@pedrera/hw';
import type { Context } from '../core/context.js';
import type { HlDevice } from '../core/device.js';
import { type DebugfsSpec, debugfsFile } from './attributes.js';
import { type DebugDevice, memoryFiles } from './debugfs-memory.js';
import { POWER_STATE } from './debugfs-state.js';
import { commandBuffers, submissionJobs, submissions, userptr, userptrLookup, vm } from './debugfs-tables.js';
import { formatEngines } from './engines.js';
import { formatTranslation } from './mmu.js';
import { parseNumber, parseU32, textOf } from './numbers.js';
import { inReset } from './status.js';
import { type DirectoryNode, directory, type FileNode } from './tree.js';

const DEVICE_HELP = 'Valid values: disable, enable, suspend, resume, cpu_timeout\n';
const POWER_HELP = '1 - D0\n2 - D3hot\n3 - Unknown\n';
const MAX_DROPPED_DUMPS = 4;
const MAX_MMU_QUERY = 50;

export function debugfsDirectory(debug: DebugDevice): DirectoryNode {
  const { device } = debug;
  return directory({
    ...memoryFiles(debug),
    ...controlFiles(debug),
    ...absentHardware(debug),
    command_buffers: () => text(() => commandBuffers(device)),
    command_submission: () => text(() => submissions(device)),
    command_submission_jobs: () => text(() => submissionJobs(device)),
    userptr: () => text(() => userptr(device)),
    vm: () => text(() => vm(device)),
    userptr_lookup: () =>
      text(
        () => userptrLookup(device, debug.state.userAddress),
        (bytes) => {
          debug.state.userAddress = parseNumber(bytes, { base: 16, bits: 64 });
        },
      ),
    mmu: () => mmuFile(debug),
    mmu_error: () => mmuErrorFile(debug),
    engines: () =>
      text(async () =>
        inReset(device) ? '' : formatEngines(await device.hardware.engineStatus(), device.settings.nicPortsMask),
      ),
  });
}

/** The files the driver makes readable for all; some take writes from root all the same. */
function text(show: NonNullable<DebugfsSpec['show']>, store?: NonNullable<DebugfsSpec['store']>): FileNode {
  return debugfsFile({ mode: 0o444, show, ...(store === undefined ? {} : { store }) });
}

function controlFiles({ device, state }: DebugDevice): Readonly<Record<string, () => FileNode>> {
  return {
    clk_gate: () => debugfsFile({ mode: 0o200, show: () => '', store: () => undefined }),
    set_power_state: () =>
      debugfsFile({
        mode: 0o200,
        once: () => `current power state: ${state.powerState}\n${POWER_HELP}`,
        store: (bytes) => {
          const wanted = parseU32(bytes, 10);
          if (wanted !== POWER_STATE.D0 && wanted !== POWER_STATE.D3_HOT) {
            throw errno('EINVAL', `power state ${wanted}; 1 is D0, 2 is D3hot`);
          }
          state.powerState = wanted;
        },
      }),
    device: () =>
      debugfsFile({
        mode: 0o200,
        show: () => DEVICE_HELP,
        store: (bytes, offset) => (offset === 0 ? command(device, textOf(bytes)) : 0),
      }),
    stop_on_err: () =>
      debugfsFile({
        mode: 0o644,
        show: () => (inReset(device) ? '' : `${device.stopOnErr ? 1 : 0}\n\0`),
        store: (bytes) => {
          if (inReset(device)) {
            return 0;
          }
          device.stopOnErr = parseU32(bytes, 10) !== 0;
          device.requestReset({ kind: 'debugfs' });
          return bytes.length;
        },
      }),
    skip_reset_on_timeout: () =>
      debugfsFile({
        mode: 0o644,
        show: () => `0x0${device.skipResetOnTimeout ? 1 : 0}\n`,
        store: (bytes) => {
          device.skipResetOnTimeout = BigInt.asUintN(8, parseNumber(bytes, { base: 0, bits: 64 })) !== 0n;
        },
      }),
    timeout_locked: () =>
      debugfsFile({
        mode: 0o644,
        show: () => {
          const { defaultTimeoutNs } = device.settings;
          return `${Number.isFinite(defaultTimeoutNs) ? Math.floor(defaultTimeoutNs / 1e9) : 0}\n\0`;
        },
        store: (bytes) => {
          const seconds = parseU32(bytes, 10);
          device.settings.defaultTimeoutNs = seconds === 0 ? Number.POSITIVE_INFINITY : seconds * 1e9;
        },
      }),
    state_dump: () =>
      debugfsFile({
        mode: 0o600,
        show: () => device.stateDumps.texts[0] ?? '',
        store: (bytes) => {
          const count = parseU32(bytes, 10);
          if (count < 1 || count > MAX_DROPPED_DUMPS) {
            throw errno('EINVAL', `${count} state dumps to drop; 1 to ${MAX_DROPPED_DUMPS} can be`);
          }
          device.stateDumps.texts.splice(0, count);
        },
      }),
    dump_security_violations: () => debugfsFile({ mode: 0o644, show: () => logViolations(device) }),
    dump_razwi_events: () => debugfsFile({ mode: 0o644, show: () => logRazwi(device) }),
  };
}

/** Compared as the driver does, so that what follows the word does not matter. */
async function command(device: HlDevice, word: string): Promise<undefined> {
  if (word.startsWith('disable')) {
    device.life.disabled = true;
  } else if (word.startsWith('enable')) {
    device.life.disabled = false;
  } else if (word.startsWith('suspend')) {
    device.life.suspended = true;
  } else if (word.startsWith('resume')) {
    device.life.suspended = false;
  } else if (word.startsWith('cpu_timeout')) {
    device.firmware.giveUp();
    await haltCpu(device);
  } else {
    throw errno('EINVAL', `${JSON.stringify(word.slice(0, 40))}; ${DEVICE_HELP.trimEnd()}`);
  }
}

/** Nobody answers the heartbeat either (device.md 8.4). */
async function haltCpu({ hardware }: HlDevice): Promise<void> {
  await hardware.writeRegister(KMD_MSG_TO_CPU, 1);
  await hardware.writeRegister(ARM_RST_CONTROL, 0);
}

/** The registers of the protection units hold what was stopped; the driver says so in its log, and clears them. */
async function logViolations({ hardware, log, index }: HlDevice): Promise<string> {
  for (const [name, valid, id] of [
    ['write', MMU_REGISTERS.RAZWI_WRITE_VLD, MMU_REGISTERS.RAZWI_WRITE_ID],
    ['read', MMU_REGISTERS.RAZWI_READ_VLD, MMU_REGISTERS.RAZWI_READ_ID],
  ] as const) {
    if ((await hardware.readRegister(valid)) !== 0) {
      const initiator = await hardware.readRegister(id);
      log.warn(
        { device: index },
        `a ${name} was stopped by the protection units, initiator 0x${initiator.toString(16)}`,
      );
      await hardware.writeRegister(valid, 0);
    }
  }
  return '';
}

function logRazwi({ captures, log, index }: HlDevice): string {
  const { record } = captures.razwi;
  log.warn(
    { device: index, ...record },
    record === undefined ? 'no RAZWI event was captured' : `RAZWI event at 0x${record.address.toString(16)}`,
  );
  return '';
}

function mmuFile({ device, state }: DebugDevice): FileNode {
  return text(
    () => {
      const query = state.mmuQuery;
      const context = query === undefined ? undefined : contextOf(device, query.asid);
      return (context && formatTranslation(context, query?.address ?? 0)) ?? '';
    },
    (bytes) => {
      const [, asid = '', address = ''] = /^([0-9]+) .*?0x([0-9a-fA-F]+)\n?$/.exec(textOf(bytes)) ?? [];
      if (asid === '' || address === '' || bytes.length > MAX_MMU_QUERY) {
        throw errno('EINVAL', `${JSON.stringify(textOf(bytes).slice(0, 60))}; expected <asid> 0x<address>`);
      }
      const at = Number(`0x${address}`);
      if (Number(asid) > 0xffff_ffff || at >= 2 ** 64) {
        throw errno('EINVAL', `asid ${asid} or address 0x${address} is too large`);
      }
      state.mmuQuery = { asid: Number(asid), address: at };
    },
  );
}

/** The driver looks into the one context there is, whatever number was given, unless it is its own: 0. */
function contextOf(device: HlDevice, asid: number): Context | undefined {
  if (asid === 0) {
    return undefined;
  }
  const contexts = [...device.contexts];
  return device.policy.ownsDevice ? contexts[0] : contexts.find((context) => context.asid === asid);
}

function mmuErrorFile({ device, state }: DebugDevice): FileNode {
  return text(
    async () => {
      if (state.mmuMask === 0n) {
        throw errno('EINVAL', 'write the mask of MMUs to acknowledge, such as 0x1, first');
      }
      await device.hardware.writeRegister(MMU_REGISTERS.PAGE_ERROR_CAPTURE, 0);
      await device.hardware.writeRegister(MMU_REGISTERS.ACCESS_ERROR_CAPTURE, 0);
      return '';
    },
    (bytes) => {
      const [, digits] = /0x([0-9a-fA-F]{1,16})\n?$/.exec(textOf(bytes)) ?? [];
      if (digits === undefined) {
        throw errno('EINVAL', `${JSON.stringify(textOf(bytes).slice(0, 40))}; expected 0x<mask>`);
      }
      state.mmuMask = BigInt(`0x${digits}`);
    },
  );
}

/**
 * Buses and lamps of a real card. The simulated one has none: selecting is remembered as the driver does, and using them
 * answers what a firmware that finds nothing there leads to.
 */
function absentHardware({ device, state }: DebugDevice): Readonly<Record<string, () => FileNode>> {
  const nothing = (what: string) => errno('EIO', `hl${device.index} has no ${what}`);
  const register = (name: keyof typeof state.i2c) => () =>
    debugfsFile({
      mode: 0o644,
      show: () => `${state.i2c[name]}\n`,
      store: (bytes) => {
        state.i2c[name] = Number(BigInt.asUintN(8, parseNumber(bytes, { base: 0, bits: 64 })));
      },
    });
  const bus = () => `I2C bus ${state.i2c.bus}, or nothing at 0x${state.i2c.addr.toString(16)} on it`;
  const notOperational = () => {
    if (!device.operational) {
      throw errno('EBUSY', `hl${device.index} is not operational (status ${device.status})`);
    }
  };
  const led = (number: number) => () =>
    debugfsFile({
      mode: 0o200,
      store: (bytes) => {
        parseU32(bytes, 10);
        throw nothing(`LED ${number}`);
      },
    });
  return {
    i2c_bus: register('bus'),
    i2c_addr: register('addr'),
    i2c_reg: register('reg'),
    i2c_len: register('len'),
    i2c_data: () =>
      debugfsFile({
        mode: 0o644,
        once: () => {
          notOperational();
          throw nothing(bus());
        },
        store: (bytes) => {
          parseNumber(bytes, { base: 16, bits: 64 });
          notOperational();
          throw nothing(bus());
        },
      }),
    led0: led(0),
    led1: led(1),
    led2: led(2),
  };
}
