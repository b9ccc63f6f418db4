/** What writes into sysfs and debugfs do, what they refuse, and what reads say then (uapi.md 9.1, 9.2, 1.6). */
import { HlError } from '@pedrera/base';
import {
  CFG_BASE,
  DRAM_USER_BASE,
  EVENT,
  encodeNop,
  GIC_SETSPI,
  SM_BLOCK_BASES,
  SM_REGISTERS,
  SRAM_BASE,
  SRAM_SIZE,
  sobAddress,
} from '@pedrera/hw';
import { CLK_THROTTLE, DEVICE_STATUS } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { HostBuffer } from '../core/command-buffer.js';
import { mapHostMemory } from '../core/host-mapping.js';
import { TestRig } from '../core/test-rig.js';
import { VirtualFiles } from './virtual-files.js';

const SYSFS = '/sys/class/habanalabs/hl0';
const DEBUGFS = '//sys/kernel/debug/habanalabs/hl0';
const HWMON = '/sys/bus/pci/devices/0000:01:00.0/hwmon/hwmon0';
const MEBI = 2 ** 20;

class Shell {
  readonly files: VirtualFiles;

  constructor(rig: TestRig) {
    this.files = new VirtualFiles(rig.machine);
  }

  async cat(path: string, offset = 0): Promise<string> {
    return Buffer.from(await this.files.read(path, offset, 4096)).toString('latin1');
  }

  debug(name: string): Promise<string> {
    return this.cat(`${DEBUGFS}/${name}`);
  }

  /** How many bytes were taken, or the errno. */
  async echo(path: string, text: string, offset = 0): Promise<number | string> {
    return codeOf(this.files.write(path, offset, Buffer.from(text)));
  }

  poke(name: string, text: string): Promise<number | string> {
    return this.echo(`${DEBUGFS}/${name}`, text);
  }

  async peek(address: number): Promise<string> {
    await this.poke('addr', `0x${address.toString(16)}\0`);
    return (await this.debug('data32')).trimEnd();
  }
}

async function codeOf<T>(promise: Promise<T>): Promise<T | string> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof HlError) return error.code;
    throw error;
  }
}

describe('files in general', () => {
  it('missing-path, directory, wrong-mode', async () => {
    await using rig = new TestRig('exclusive');
    const shell = new Shell(rig);
    expect(await codeOf(shell.cat(`${SYSFS}/nothing`))).toBe('ENOENT');
    expect(await codeOf(shell.cat('/sys/class/habanalabs/hl1/status'))).toBe('ENOENT');
    expect(await codeOf(shell.cat(SYSFS))).toBe('EISDIR');
    expect(await shell.echo(SYSFS, '1')).toBe('EISDIR');
    expect(await shell.echo(`${SYSFS}/status`, '1')).toBe('EACCES');
    expect(await codeOf(shell.cat(`${SYSFS}/hard_reset`))).toBe('EACCES');
    expect(await shell.poke('command_buffers', '1')).toBe('EINVAL');
    expect(() => shell.files.list(`${SYSFS}/status`)).toThrow('ENOTDIR');
    expect(shell.files.stat(`${SYSFS}/eeprom`)).toEqual({ kind: 'file', mode: 0o444, size: 4096 });
  });

  it('the-directory-of-a-control-node-has-no-pci_addr', async () => {
    await using rig = new TestRig('exclusive');
    const names = new Shell(rig).files.list('/sys/class/habanalabs/hl_controlD0').map(({ name }) => name);
    expect(names).toEqual(['dev', 'power', 'subsystem', 'uevent']);
  });

  it('every-way-to-a-device-ends-at-its-attributes', async () => {
    await using rig = new TestRig('exclusive', 2);
    const shell = new Shell(rig);
    for (const directory of ['/sys/class/habanalabs/hl1', '/sys/class/accel/accel1', '/sys/dev/char/511:2']) {
      expect(await shell.cat(`${directory}/pci_addr`)).toBe('0000:02:00.0\n');
    }
    expect(await shell.cat('/sys/class/habanalabs/hl_controlD1/dev')).toBe('511:3\n');
    expect(await shell.cat('//sys/kernel/debug/accel/1/addr')).toBe('0x0000000000000000\n');
    expect(await shell.cat('/sys/bus/pci/devices/0000:02:00.0/device')).toBe('0x1000\n');
  });

  it('reads-at-an-offset', async () => {
    await using rig = new TestRig('exclusive');
    const shell = new Shell(rig);
    expect(await shell.cat(`${SYSFS}/status`, 4)).toBe('ational\n');
    expect(await shell.cat(`${SYSFS}/status`, 100)).toBe('');
    expect(await shell.cat(`${DEBUGFS}/addr`, 2)).toBe('0000000000000000\n');
    expect(await shell.cat(`${DEBUGFS}/data32`, 2)).toBe('');
    expect(await shell.cat(`${DEBUGFS}/set_power_state`, 2)).toBe('');
  });
});

describe('sysfs', () => {
  it('hard_reset-takes-any-number', async () => {
    await using rig = new TestRig('exclusive');
    const shell = new Shell(rig);
    expect(await shell.echo(`${SYSFS}/hard_reset`, 'now\n')).toBe('EINVAL');
    expect(await shell.cat(`${SYSFS}/status`)).toBe('Operational\n');
    expect(await shell.echo(`${SYSFS}/hard_reset`, '0\n')).toBe(2);
    expect(await shell.cat(`${SYSFS}/status`)).toBe('In reset\n');
    for (const name of ['max_power', 'clk_max_freq_mhz', 'clk_cur_freq_mhz', 'eeprom']) {
      expect(await codeOf(shell.cat(`${SYSFS}/${name}`))).toBe('ENODEV');
    }
    expect(await shell.echo(`${SYSFS}/max_power`, 'much')).toBe('ENODEV');
    expect(await shell.echo(`${SYSFS}/hard_reset`, '1')).toBe(1);
    await rig.finishReset();
    expect(await shell.cat(`${SYSFS}/hard_reset_cnt`)).toBe('1\n');
    expect(await shell.cat(`${SYSFS}/status`)).toBe('Operational\n');
  });

  it('max_power-below-what-is-used-throttles', async () => {
    await using rig = new TestRig('exclusive');
    const shell = new Shell(rig);
    const { hwEvents } = rig.device();
    expect(await shell.echo(`${SYSFS}/max_power`, 'much\n')).toBe('EINVAL');
    expect(await shell.echo(`${SYSFS}/max_power`, '18446744073709551616')).toBe('EINVAL');
    rig.clock.advance(10e6);
    expect(await shell.echo(`${SYSFS}/max_power`, '40000\n')).toBe(6);
    expect(await shell.cat(`${SYSFS}/max_power`)).toBe('40000\n');
    expect(hwEvents[EVENT.FIX_POWER_ENV_S]).toBe(1);
    rig.clock.advance(10e6);
    await shell.echo(`${SYSFS}/max_power`, '200000\n');
    expect(hwEvents[EVENT.FIX_POWER_ENV_E]).toBe(1);
  });

  it('clk_max_freq_mhz', async () => {
    await using rig = new TestRig('exclusive');
    const shell = new Shell(rig);
    expect(await shell.echo(`${SYSFS}/clk_max_freq_mhz`, 'fast')).toBe('EINVAL');
    await shell.echo(`${SYSFS}/clk_max_freq_mhz`, '300\n');
    expect(await shell.cat(`${SYSFS}/clk_max_freq_mhz`)).toBe('300\n');
    expect(await shell.cat(`${SYSFS}/clk_cur_freq_mhz`)).toBe('300\n');
  });

  it('eeprom-reads-of-nothing-are-EINVAL', async () => {
    await using rig = new TestRig('exclusive');
    const { files } = new Shell(rig);
    expect(await codeOf(files.read(`${SYSFS}/eeprom`, 0, 0))).toBe('EINVAL');
    expect(await files.read(`${SYSFS}/eeprom`, 4090, 100)).toHaveLength(6);
  });

  it('a-temperature-offset-heats-the-card', async () => {
    await using rig = new TestRig('exclusive');
    const shell = new Shell(rig);
    const device = rig.device();
    expect(await shell.echo(`${HWMON}/temp7_offset`, 'hot')).toBe('EINVAL');
    await shell.echo(`${HWMON}/temp7_offset`, '100000\n');
    expect(Number(await shell.cat(`${HWMON}/temp7_input`))).toBeGreaterThan(100_000);
    expect(device.hwEvents[EVENT.FIX_THERMAL_ENV_S]).toBe(1);
    expect(device.firmware.throttle.mask).toBe(CLK_THROTTLE.THERMAL);
    await shell.echo(`${HWMON}/temp7_offset`, '0');
    expect(Number(await shell.cat(`${HWMON}/temp7_input`))).toBeLessThan(100_000);
    expect(device.hwEvents[EVENT.FIX_THERMAL_ENV_E]).toBe(1);
  });
});

describe('debugfs memory', () => {
  it('registers, SRAM, HBM and the scratchpad', async () => {
    await using rig = new TestRig('exclusive');
    const shell = new Shell(rig);
    for (const address of [sobAddress(2, 9), SRAM_BASE + 0x10, 0x10, DRAM_USER_BASE + 2 ** 34 + 4, 0x7f_fbfe_0000]) {
      await shell.poke('addr', `${address}\n`);
      expect(await shell.poke('data32', '0x123\0')).toBe(6);
      expect(await shell.debug('data32')).toBe('0x00000123\n');
    }
    expect(await rig.sob(2, 9)).toBe(0x123);
    await shell.poke('addr', `0x${(SRAM_BASE + 0x100).toString(16)}`);
    expect(await shell.poke('data64', 'fedcba9876543210')).toBe(16);
    expect(await shell.debug('data64')).toBe('0xfedcba9876543210\n');
    expect(await shell.peek(SRAM_BASE + 0x104)).toBe('0xfedcba98');
  });

  it('bad-numbers-and-addresses', async () => {
    await using rig = new TestRig('exclusive');
    const shell = new Shell(rig);
    expect(await shell.poke('addr', 'here')).toBe('EINVAL');
    expect(await shell.poke('addr', '0x1ffffffffffffffff')).toBe('ERANGE');
    expect(await shell.poke('data32', '0x100000000')).toBe('ERANGE');
    expect(await shell.poke('data32', 'xyz')).toBe('EINVAL');
    for (const address of [CFG_BASE + 2, SRAM_BASE + SRAM_SIZE - 2, 0x7f_f900_0000, 0x1_0000_0020_0000, 2 ** 62]) {
      await shell.poke('addr', `0x${address.toString(16)}`);
      expect(await codeOf(shell.debug('data32'))).toBe('EINVAL');
    }
  });

  it('host-memory-through-the-mapping-of-the-context', async () => {
    await using rig = new TestRig('exclusive');
    const shell = new Shell(rig);
    const file = await rig.open();
    const buffer = new HostBuffer(file, 8192);
    const va = mapHostMemory(file, { address: buffer.address + 5, size: 100, hint: 0, forceHint: false });
    await shell.poke('addr', `0x${(va + 3).toString(16)}`);
    await shell.poke('data32', '0xaabbccdd');
    expect([...buffer.range.bytes().subarray(8, 12)]).toEqual([0xdd, 0xcc, 0xbb, 0xaa]);
    await shell.poke('addr', `0x${(va + 97).toString(16)}`);
    expect(await codeOf(shell.debug('data32'))).toBe('EINVAL');
    expect(await shell.poke('data64', '1')).toBe('EINVAL');
  });

  it('an-address-two-contexts-have-mapped-is-ambiguous', async () => {
    await using rig = new TestRig('shared');
    const shell = new Shell(rig);
    const [one, two] = [await rig.open(), await rig.open()];
    const map = (file: typeof one, size: number) =>
      mapHostMemory(file, { address: new HostBuffer(file, size).address, size, hint: 0, forceHint: false });
    const va = map(one, 4096);
    const alone = map(one, 4096);
    expect(map(two, 4096)).toBe(va);
    await shell.poke('addr', `0x${va.toString(16)}`);
    expect(await codeOf(shell.debug('data32'))).toBe('EINVAL');
    await shell.poke('addr', `0x${alone.toString(16)}`);
    expect(await shell.debug('data32')).toBe('0x00000000\n');
  });

  it('a-write-to-the-interrupt-controller-raises-an-event', async () => {
    await using rig = new TestRig('exclusive');
    const shell = new Shell(rig);
    await shell.poke('addr', `0x${(CFG_BASE + GIC_SETSPI).toString(16)}`);
    await shell.poke('data32', '0x26');
    expect(rig.device().hwEventsAggregate[38]).toBe(1);
    expect(rig.device().operational).toBe(true);
    await shell.poke('data32', '0x2e');
    expect(rig.device().status).toBe(DEVICE_STATUS.IN_RESET);
    expect(await shell.debug('data32')).toBe('');
    expect(await shell.poke('data32', 'no number')).toBe(0);
    await rig.finishReset();
    expect(rig.device().life.hardResets).toBe(1);
  });

  it('dma_size', async () => {
    await using rig = new TestRig('exclusive');
    const shell = new Shell(rig);
    await rig.device().hardware.writeSram(0, Uint8Array.from([1, 2, 3, 4]));
    await shell.poke('addr', `0x${SRAM_BASE.toString(16)}`);
    expect(await shell.poke('dma_size', '10\n')).toBe(3);
    expect([...(await shell.files.read(`${DEBUGFS}/data_dma`, 1, 4))]).toEqual([2, 3, 4, 0]);
    expect(await shell.files.read(`${DEBUGFS}/data_dma`, 0, 100)).toHaveLength(0x10);
    for (const size of ['0', (128 * MEBI + 1).toString(16), (SRAM_SIZE + 1).toString(16), 'many']) {
      expect(await shell.poke('dma_size', size)).toBe('EINVAL');
    }
    await shell.poke('addr', '0x0');
    expect(await shell.poke('dma_size', '200000')).toBe(6);
    await shell.poke('addr', `0x${CFG_BASE.toString(16)}`);
    expect(await shell.poke('dma_size', '4')).toBe('EINVAL');
  });

  it('monitor_dump', async () => {
    await using rig = new TestRig('exclusive');
    const shell = new Shell(rig);
    expect(await shell.debug('monitor_dump')).toBe('');
    expect(await shell.poke('monitor_dump_trig', '2')).toBe('EINVAL');
    await rig.device().hardware.writeRegister(SM_BLOCK_BASES[1] + SM_REGISTERS.MON_PAY_DATA + 4 * 3, 77);
    expect(await shell.poke('monitor_dump_trig', '1')).toBe(1);
    const dump = await shell.files.read(`${DEBUGFS}/monitor_dump`, 0, 65536);
    expect(dump).toHaveLength(4 * 5 * 512 * 4);
    // The third block is W_N, the third array of it the payload data.
    expect(dump[4 * ((2 * 5 + 2) * 512 + 3)]).toBe(77);
  });

  it('memory_scrub', async () => {
    await using rig = new TestRig('exclusive');
    const shell = new Shell(rig);
    await shell.poke('addr', `0x${(DRAM_USER_BASE + 8).toString(16)}`);
    await shell.poke('data32', '5');
    await shell.poke('memory_scrub_val', '0xabab');
    expect(await shell.poke('memory_scrub', '1')).toBe('ENOMEM');
    expect(await shell.poke('memory_scrub_val', '0\n')).toBe(2);
    expect(await shell.debug('memory_scrub_val')).toBe('0x0000000000000000\n');
    const file = await rig.open();
    expect(await shell.poke('memory_scrub', '1')).toBe('EBUSY');
    await rig.close(file);
    expect(await shell.poke('memory_scrub', 'x')).toBe(1);
    expect(await shell.debug('data32')).toBe('0x00000000\n');
    rig.device().life.disabled = true;
    expect(await shell.poke('memory_scrub', '1')).toBe('EIO');
  });
});

describe('debugfs control', () => {
  it('device', async () => {
    await using rig = new TestRig('exclusive');
    const shell = new Shell(rig);
    expect(await shell.poke('device', 'explode')).toBe('EINVAL');
    expect(await shell.echo(`${DEBUGFS}/device`, 'disable', 3)).toBe(0);
    expect(await shell.poke('device', 'disable\n')).toBe(8);
    expect(await shell.cat(`${SYSFS}/status`)).toBe('Disabled\n');
    await expect(rig.open()).rejects.toThrow('EPERM');
    expect(await shell.poke('device', 'enable')).toBe(6);
    expect(await shell.cat(`${SYSFS}/status`)).toBe('Operational\n');
  });

  it('cpu_timeout-ends-the-firmware', async () => {
    await using rig = new TestRig('exclusive');
    const shell = new Shell(rig);
    await shell.poke('device', 'cpu_timeout');
    await expect(rig.device().firmware.powerMw()).rejects.toThrow('EIO');
    expect(await rig.device().hardware.testFirmware(1)).toBeUndefined();
  });

  it('stop_on_err-resets', async () => {
    await using rig = new TestRig('exclusive');
    const shell = new Shell(rig);
    expect(await shell.debug('stop_on_err')).toBe('1\n\0');
    expect(await shell.poke('stop_on_err', 'off')).toBe('EINVAL');
    expect(rig.device().operational).toBe(true);
    expect(await shell.poke('stop_on_err', '0\n')).toBe(2);
    expect(await shell.debug('stop_on_err')).toBe('');
    expect(await shell.poke('stop_on_err', 'anything')).toBe(0);
    expect(await shell.debug('engines')).toBe('');
    await rig.finishReset();
    expect(await shell.debug('stop_on_err')).toBe('0\n\0');
  });

  it('timeout_locked, skip_reset_on_timeout', async () => {
    await using rig = new TestRig('exclusive');
    const shell = new Shell(rig);
    const device = rig.device();
    expect(await shell.poke('timeout_locked', '5\n')).toBe(2);
    expect(device.settings.defaultTimeoutNs).toBe(5e9);
    expect(await shell.debug('timeout_locked')).toBe('5\n\0');
    expect(await shell.poke('timeout_locked', '0x10')).toBe('EINVAL');
    await shell.poke('timeout_locked', '0');
    expect(device.settings.defaultTimeoutNs).toBe(Number.POSITIVE_INFINITY);
    expect(await shell.debug('timeout_locked')).toBe('0\n\0');
    expect(await shell.poke('skip_reset_on_timeout', 'yes')).toBe('EINVAL');
    expect(await shell.poke('skip_reset_on_timeout', '1')).toBe(1);
    expect(device.skipResetOnTimeout).toBe(true);
    expect(await shell.debug('skip_reset_on_timeout')).toBe('0x01\n');
  });

  it('set_power_state, clk_gate', async () => {
    await using rig = new TestRig('exclusive');
    const shell = new Shell(rig);
    expect(await shell.poke('set_power_state', '3')).toBe('EINVAL');
    expect(await shell.poke('set_power_state', '2')).toBe(1);
    expect(await shell.debug('set_power_state')).toBe('current power state: 2\n1 - D0\n2 - D3hot\n3 - Unknown\n');
    expect(await shell.debug('data32')).toBe('0xffffffff\n');
    await shell.poke('set_power_state', '1');
    expect(await shell.debug('data32')).toBe('0x00000000\n');
    expect(await shell.poke('clk_gate', 'whatever')).toBe(8);
    expect(await shell.debug('clk_gate')).toBe('');
  });

  it('state_dump', async () => {
    await using rig = new TestRig('exclusive');
    const shell = new Shell(rig);
    const file = await rig.open();
    rig.csNow(file, { chunksExecute: [rig.chunk(file, 4, (words) => encodeNop(words, 0))] });
    rig.run();
    expect(await shell.debug('state_dump')).toBe('');
    for (let n = 1; n <= 6; n++) {
      await rig.device().hardware.writeRegister(sobAddress(2, 1) - CFG_BASE, n);
      await rig.device().stateDumps.take();
    }
    // DMA core 1 adds to SOB 1 of E_N when its work is written.
    expect(await shell.debug('state_dump')).toContain('SYNC_MGR_E_N\nsync id: 1, value: 6, Engine: DMA1\n');
    for (const count of ['0', '5', 'all']) {
      expect(await shell.poke('state_dump', count)).toBe('EINVAL');
    }
    await shell.poke('state_dump', '2\n');
    expect(await shell.debug('state_dump')).toContain('sync id: 1, value: 4');
    await shell.poke('state_dump', '4');
    expect(await shell.debug('state_dump')).toBe('');
    await rig.close(file);
  });

  it('mmu, mmu_error, userptr_lookup', async () => {
    await using rig = new TestRig('exclusive');
    const shell = new Shell(rig);
    for (const query of ['1', '0x1000', '1 4096', 'a 0x1', `1 0x${'1'.repeat(60)}`]) {
      expect(await shell.poke('mmu', query)).toBe('EINVAL');
    }
    expect(await shell.poke('mmu', '1 0x1000000200000\0')).toBe(18);
    expect(await shell.debug('mmu')).toBe('');
    expect(await shell.poke('mmu_error', '1')).toBe('EINVAL');
    expect(await codeOf(shell.debug('mmu_error'))).toBe('EINVAL');
    expect(await shell.poke('mmu_error', '0x1')).toBe(3);
    expect(await shell.debug('mmu_error')).toBe('');
    expect(await shell.poke('userptr_lookup', 'there')).toBe('EINVAL');
    expect(await shell.poke('userptr_lookup', '0x1000')).toBe(6);
    expect(await shell.debug('userptr_lookup')).toBe('');
  });

  it('buses-and-lamps-that-are-not-there', async () => {
    await using rig = new TestRig('exclusive');
    const shell = new Shell(rig);
    expect(await shell.poke('i2c_bus', '0x103')).toBe(5);
    expect(await shell.debug('i2c_bus')).toBe('3\n');
    expect(await codeOf(shell.debug('i2c_data'))).toBe('EIO');
    expect(await shell.poke('i2c_data', 'zz')).toBe('EINVAL');
    expect(await shell.poke('i2c_data', 'ff')).toBe('EIO');
    expect(await shell.poke('led0', 'on')).toBe('EINVAL');
    expect(await shell.poke('led0', '1')).toBe('EIO');
    rig.device().life.disabled = true;
    expect(await codeOf(shell.debug('i2c_data'))).toBe('EBUSY');
  });

  it('finished-work-leaves-the-tables', async () => {
    await using rig = new TestRig('exclusive');
    const shell = new Shell(rig);
    const file = await rig.open();
    rig.csNow(file, { chunksExecute: [rig.chunk(file, 0, (words) => encodeNop(words, 0))] });
    expect(await shell.debug('command_submission')).toContain('\n   1        0          1          1');
    rig.run();
    expect(await shell.debug('command_submission')).toBe('');
    expect(await shell.debug('command_submission_jobs')).toBe('');
    expect(await shell.debug('command_buffers')).toContain('1152921504606851072');
    await rig.close(file);
    expect(await shell.debug('command_buffers')).toBe('');
    expect(await shell.debug('vm')).toBe('');
  });
});
