/** sysfs and debugfs, through the FILE calls (uapi.md 9). */
import assert from 'node:assert/strict';
import type { ErrnoCode } from '@pedrera/base';
import { TestList } from '../framework/conformance-test.js';
import type { Env } from '../framework/env.js';
import { packets } from '../framework/packets.js';

export const files = new TestList();

const CLASS = '/sys/class/habanalabs';
const DRAM = 0x2000_0000;

const ATTRIBUTES: Readonly<Record<string, number>> = {
  pci_addr: 0o444,
  device_type: 0o444,
  status: 0o444,
  armcp_ver: 0o444,
  cpucp_ver: 0o444,
  armcp_kernel_ver: 0o444,
  cpucp_kernel_ver: 0o444,
  cpld_ver: 0o444,
  fuse_ver: 0o444,
  preboot_btl_ver: 0o444,
  uboot_ver: 0o444,
  thermal_ver: 0o444,
  fw_os_ver: 0o444,
  infineon_ver: 0o444,
  hard_reset: 0o200,
  hard_reset_cnt: 0o444,
  max_power: 0o644,
  clk_max_freq_mhz: 0o644,
  clk_cur_freq_mhz: 0o444,
  security_enabled: 0o444,
  eeprom: 0o444,
};

const NODES: Readonly<Record<string, number>> = {
  addr: 0o644,
  data32: 0o644,
  data64: 0o644,
  clk_gate: 0o200,
  set_power_state: 0o200,
  device: 0o200,
  stop_on_err: 0o644,
  dma_size: 0o200,
  data_dma: 0o400,
  monitor_dump_trig: 0o200,
  monitor_dump: 0o400,
  memory_scrub_val: 0o644,
  memory_scrub: 0o200,
  skip_reset_on_timeout: 0o644,
  state_dump: 0o600,
  timeout_locked: 0o644,
  led0: 0o200,
  led1: 0o200,
  led2: 0o200,
  command_buffers: 0o444,
  command_submission: 0o444,
  command_submission_jobs: 0o444,
  userptr: 0o444,
  vm: 0o444,
  engines: 0o444,
};

async function write(env: Env, path: string, text: string): Promise<ErrnoCode | ''> {
  const watcher = await env.watcher();
  return (await watcher.attempt('FILE_WRITE', { path, offset: 0, bytes: Buffer.from(text, 'latin1') })).errno;
}

async function read(env: Env, path: string, size = 4096): Promise<ErrnoCode | ''> {
  const watcher = await env.watcher();
  return (await watcher.attempt('FILE_READ', { path, offset: 0, size })).errno;
}

files.add('files@sysfs-attributes', {}, async (env) => {
  const watcher = await env.watcher();
  const { entries } = await watcher.call('FILE_LIST', { path: `${CLASS}/hl0` });
  const modes = new Map(entries.map(({ name, mode }) => [name, mode & 0o777]));
  for (const [name, mode] of Object.entries(ATTRIBUTES)) {
    assert.equal(modes.get(name)?.toString(8), mode.toString(8), name);
  }
  for (const absent of ['soft_reset', 'soft_reset_cnt']) {
    assert(!modes.has(absent), absent);
  }
});

files.add('files@sysfs-values', { fresh: true }, async (env) => {
  const value = (name: string) => env.readFile(env.sysfs(name));
  assert.match(await value('pci_addr'), /^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]\n$/);
  assert.deepEqual(
    [await value('device_type'), await value('status'), await value('hard_reset_cnt'), await value('security_enabled')],
    ['GAUDI\n', 'Operational\n', '0\n', '0\n'],
  );
  assert.match(await value('cpld_ver'), /^0x[0-9a-f]{8}\n$/);
  assert.equal(await value('armcp_ver'), await value('cpucp_ver'));
  assert((await value('cpucp_ver')).endsWith('\n'));
  for (const bare of ['cpucp_kernel_ver', 'thermal_ver', 'fw_os_ver']) {
    assert((await value(bare)) !== undefined);
  }
  assert.match(await value('infineon_ver'), /^(0x[0-9a-f]{2,}|0000)\n$/);
  assert.match(await value('dev'), /^\d+:0\n$/);
});

files.add('files@sysfs-control-node-is-bare', {}, async (env) => {
  const watcher = await env.watcher();
  const { entries } = await watcher.call('FILE_LIST', { path: `${CLASS}/hl_controlD0` });
  // A library of 2021 would take the control directory for device 0 (1.1).
  assert(!entries.some(({ name }) => name in ATTRIBUTES));
  assert.match(await env.readFile(`${CLASS}/hl_controlD0/dev`), /^\d+:1\n$/);
});

files.add('files@sysfs-by-device-number', {}, async (env) => {
  const dev = (await env.readFile(env.sysfs('dev'))).trim();
  assert.equal(await env.readFile(`/sys/dev/char/${dev}/pci_addr`), await env.readFile(env.sysfs('pci_addr')));
});

files.add('files@sysfs-max-power', { fresh: true }, async (env) => {
  assert.equal(await env.readFile(env.sysfs('max_power')), '200000\n');
  assert.equal(await write(env, env.sysfs('max_power'), '150000\n'), '');
  assert.equal(await env.readFile(env.sysfs('max_power')), '150000\n');
  assert.equal(await write(env, env.sysfs('max_power'), 'much'), 'EINVAL');
});

files.add(
  'files@sysfs-while-disabled',
  { covers: ['FILE_READ/ENODEV/not-operational', 'FILE_WRITE/ENODEV/not-operational'] },
  async (env) => {
    await env.disable();
    try {
      assert.equal(await env.readFile(env.sysfs('status')), 'Disabled\n');
      for (const name of ['max_power', 'clk_max_freq_mhz', 'clk_cur_freq_mhz', 'eeprom']) {
        assert.equal(await read(env, env.sysfs(name)), 'ENODEV', name);
      }
      for (const name of ['max_power', 'clk_max_freq_mhz']) {
        assert.equal(await write(env, env.sysfs(name), '1000'), 'ENODEV', name);
      }
      assert.equal(await read(env, env.sysfs('hard_reset_cnt')), '');
    } finally {
      await env.enable();
    }
  },
);

files.add('files@eeprom-nothing', { covers: ['FILE_READ/EINVAL/size'] }, async (env) => {
  assert.equal(await read(env, env.sysfs('eeprom'), 0), 'EINVAL');
  assert.equal(await read(env, env.sysfs('eeprom'), 64), '');
});

files.add(
  'files@no-such-file',
  { covers: ['FILE_STAT/ENOENT/path', 'FILE_LIST/ENOENT/path', 'FILE_READ/ENOENT/path', 'FILE_WRITE/ENOENT/path'] },
  async (env) => {
    const watcher = await env.watcher();
    for (const path of [
      `${CLASS}/hl9`,
      `${CLASS}/hl0/soft_reset`,
      // Of a C program's files the machine's own are others.
      ...(env.mode === 'shim' ? [] : ['/etc/passwd']),
      '/sys/kernel/debug/habanalabs/hl0/none',
    ]) {
      assert.equal((await watcher.attempt('FILE_STAT', { path })).errno, 'ENOENT', path);
      assert.equal((await watcher.attempt('FILE_LIST', { path })).errno, 'ENOENT', path);
      assert.equal(await read(env, path), 'ENOENT', path);
      assert.equal(await write(env, path, '1'), 'ENOENT', path);
    }
  },
);

files.add(
  'files@directories-are-no-files',
  { covers: ['FILE_READ/EISDIR/directory', 'FILE_WRITE/EISDIR/directory', 'FILE_LIST/ENOTDIR/not-a-directory'] },
  async (env) => {
    const watcher = await env.watcher();
    const path = '/sys/kernel/debug/habanalabs/hl0';
    assert.equal((await watcher.call('FILE_STAT', { path })).kind, 'dir');
    assert.equal(await read(env, path), 'EISDIR');
    assert.equal(await write(env, path, '1'), 'EISDIR');
    assert.equal((await watcher.attempt('FILE_LIST', { path: env.sysfs('status') })).errno, 'ENOTDIR');
  },
);

files.add('files@modes-are-kept', { covers: ['FILE_READ/EACCES/mode', 'FILE_WRITE/EACCES/mode'] }, async (env) => {
  assert.equal(await read(env, env.sysfs('hard_reset')), 'EACCES');
  assert.equal(await write(env, env.sysfs('status'), 'Broken'), 'EACCES');
  assert.equal(await env.readFile(env.sysfs('status')), 'Operational\n');
});

files.add('files@debugfs-nodes', {}, async (env) => {
  const watcher = await env.watcher();
  const { entries } = await watcher.call('FILE_LIST', { path: '/sys/kernel/debug/habanalabs/hl0' });
  const modes = new Map(entries.map(({ name, mode }) => [name, mode & 0o777]));
  for (const [name, mode] of Object.entries(NODES)) {
    assert.equal(modes.get(name)?.toString(8), mode.toString(8), name);
  }
});

files.add('files@debugfs-path-normalised', {}, async (env) => {
  // The library opens it with a doubled slash (9.2).
  assert.equal(await read(env, '//sys/kernel/debug//habanalabs/hl0/addr'), '');
});

files.add('files@debugfs-registers', {}, async (env) => {
  const client = await env.open();
  await client.run(packets().setSob(1, 300, 77));
  const sob = 0x7f_fc4d_2000 + 4 * 300;
  assert.equal(await env.writeFile(env.debugfs('addr'), `0x${sob.toString(16)}\n\0`), sob.toString(16).length + 4);
  assert.equal(await env.readFile(env.debugfs('addr')), `0x${sob.toString(16).padStart(16, '0')}\n`);
  assert.equal(await env.readFile(env.debugfs('data32')), '0x0000004d\n');
  await env.writeFile(env.debugfs('data32'), '0x12');
  assert.equal(await env.readFile(env.debugfs('data32')), '0x00000012\n');
  const watcher = await env.watcher();
  const { bytes } = await watcher.call('FILE_READ', { path: env.debugfs('data32'), offset: 4, size: 100 });
  assert.equal(bytes.length, 0, 'only a read at 0 reads');
});

files.add('files@debugfs-memory', {}, async (env) => {
  const client = await env.open();
  const host = await client.hostMemory(4096);
  host.bytes.set([1, 2, 3, 4, 5, 6, 7, 8]);
  await client.run(packets().copy(host.deviceAddress, DRAM, 64));
  for (const address of [DRAM]) {
    await env.writeFile(env.debugfs('addr'), `0x${address.toString(16)}`);
    assert.equal(await env.readFile(env.debugfs('data64')), '0x0807060504030201\n');
    await env.writeFile(env.debugfs('data32'), '0xaabbccdd');
    assert.equal(await env.readFile(env.debugfs('data64')), '0x08070605aabbccdd\n');
  }
});

files.add('files@debugfs-values', { covers: ['FILE_WRITE/EINVAL/value'] }, async (env) => {
  for (const [name, text] of [
    ['addr', 'here'],
    ['data32', 'x'],
    ['device', 'explode'],
    ['set_power_state', '3'],
    ['set_power_state', '0'],
    ['timeout_locked', 'soon'],
    ['skip_reset_on_timeout', 'maybe'],
    ['monitor_dump_trig', '2'],
    ['dma_size', '0'],
    ['dma_size', '0x8000001'],
    ['state_dump', '0'],
    ['state_dump', '6'],
    ['led0', 'on'],
  ] as const) {
    assert.equal(await write(env, env.debugfs(name), text), 'EINVAL', `${name} = ${text}`);
  }
  assert.equal(await write(env, env.sysfs('hard_reset'), 'now'), 'EINVAL');
});

files.add(
  'files@debugfs-address-nowhere',
  { covers: ['FILE_READ/EINVAL/address', 'FILE_WRITE/EINVAL/address'] },
  async (env) => {
    const client = await env.open();
    await client.run(packets().nop());
    for (const address of ['0x7fe0000000', '0x1000000200000', '0x800000000000000']) {
      await env.writeFile(env.debugfs('addr'), address);
      assert.equal(await read(env, env.debugfs('data32')), 'EINVAL', address);
      assert.equal(await write(env, env.debugfs('data32'), '0'), 'EINVAL', address);
    }
  },
);

files.add('files@debugfs-dma', {}, async (env) => {
  const client = await env.open();
  const host = await client.hostMemory(4096);
  host.bytes.fill(0x5c, 0, 64);
  await client.run(packets().copy(host.deviceAddress, DRAM + 4096, 64));
  await env.writeFile(env.debugfs('addr'), `0x${(DRAM + 4096).toString(16)}`);
  await env.writeFile(env.debugfs('dma_size'), '0x40');
  assert.equal(await env.readFile(env.debugfs('data_dma')), '\\'.repeat(64));
});

files.add('files@debugfs-settings', { fresh: true }, async (env) => {
  assert.equal(await env.readFile(env.debugfs('timeout_locked')), '600\n\0');
  assert.equal(await env.readFile(env.debugfs('skip_reset_on_timeout')), '0x00\n');
  assert.equal(await env.readFile(env.debugfs('stop_on_err')), '1\n\0');
  await env.writeFile(env.debugfs('timeout_locked'), '30\n\0');
  assert.equal(await env.readFile(env.debugfs('timeout_locked')), '30\n\0');
  assert.equal(await env.writeFile(env.debugfs('clk_gate'), '1'), 1);
});

files.add('files@debugfs-command-buffers', {}, async (env) => {
  const client = await env.open();
  const { handle } = await client.call('CB_CREATE', { size: 8192, flags: 0 });
  await client.map(handle);
  const text = await env.readFile(env.debugfs('command_buffers'));
  const [blank, header, rule, ...rows] = text.split('\n');
  assert.equal(blank, '');
  assert.deepEqual(header?.trim().split(/\s{2,}/), ['CB ID', 'CTX ID', 'CB size', 'CB RefCnt', 'mmap?', 'CS counter']);
  assert.match(rule ?? '', /^-+$/);
  const row = rows.find((line) => line.includes(String(handle)));
  assert.deepEqual(row?.trim().split(/\s+/), [String(handle), '1', '0x00002000', '2', '1', '0']);
});

files.add('files@debugfs-submissions', {}, async (env) => {
  const client = await env.open();
  const { seq, release } = await client.blocked();
  const rows = async (name: string) =>
    (await env.readFile(env.debugfs(name)))
      .split('\n')
      .slice(3)
      .filter((line) => line.trim() !== '');
  const submissions = await rows('command_submission');
  assert.deepEqual(
    submissions[0]
      ?.trim()
      .split(/\s+/)
      .filter((_, i) => i !== 3),
    [String(seq), '0', '1', '1', '0'],
  );
  const jobs = await rows('command_submission_jobs');
  assert.equal(jobs.length, 1);
  const [, csId, csType, asid, , queue] = (jobs[0] ?? '').trim().split(/\s+/);
  assert.deepEqual([csId, csType, asid, queue], [String(seq), '0', '1', '0']);
  await release();
  await client.completed(seq);
  assert.equal(await env.readFile(env.debugfs('command_submission')), '', 'nothing at all if the list is empty');
});

files.add('files@debugfs-mappings', {}, async (env) => {
  const client = await env.open();
  const { deviceAddress } = await client.hostMemory(8192);
  const vm = await env.readFile(env.debugfs('vm'));
  assert.match(vm, /ctx asid: 1/);
  assert.match(vm, new RegExp(`0x${deviceAddress.toString(16)}\\s+8192`));
  assert.match(await env.readFile(env.debugfs('userptr')), /8192\s+DMA_BIDIRECTIONAL/);
});

files.add('files@debugfs-engines', {}, async (env) => {
  const text = await env.readFile(env.debugfs('engines'));
  assert.match(text, /^\nDMA\s+is_idle/);
});

files.add('files@memory-scrub', { covers: ['FILE_WRITE/ENOMEM/memory'] }, async (env) => {
  const client = await env.open();
  await client.run(packets().fill(DRAM, 64, 0x1111_1111));
  await client.close();
  await (await env.opened()).close();
  await env.writeFile(env.debugfs('memory_scrub_val'), '0');
  await env.until('the scrub is let in', async () =>
    (await write(env, env.debugfs('memory_scrub'), '1')) === '' ? true : undefined,
  );
  const next = await env.opened();
  assert.deepEqual([...(await next.peek(DRAM, 4))], [0, 0, 0, 0]);
});

files.add('files@memory-scrub-context-open', { covers: ['FILE_WRITE/EBUSY/context-open'] }, async (env) => {
  await env.open();
  assert.equal(await write(env, env.debugfs('memory_scrub'), '1'), 'EBUSY');
});

files.add('files@memory-scrub-while-disabled', { covers: ['FILE_WRITE/EIO/device'] }, async (env) => {
  await env.disable();
  try {
    assert.equal(await write(env, env.debugfs('memory_scrub'), '1'), 'EIO');
  } finally {
    await env.enable();
  }
});

files.add(
  'files@below-a-file',
  {
    notInC: 'the library leaves what it does not have to the machine, which says ENOENT',
    covers: ['FILE_STAT/ENOTDIR/below-a-file', 'FILE_READ/ENOTDIR/below-a-file', 'FILE_WRITE/ENOTDIR/below-a-file'],
  },
  async (env) => {
    const watcher = await env.watcher();
    const path = `${env.sysfs('status')}/more`;
    assert.equal((await watcher.attempt('FILE_STAT', { path })).errno, 'ENOTDIR');
    assert.equal(await read(env, path), 'ENOTDIR');
    assert.equal(await write(env, path, '1'), 'ENOTDIR');
  },
);

files.add(
  'files@debugfs-one-way-nodes',
  { covers: ['FILE_READ/EINVAL/no-read', 'FILE_WRITE/EINVAL/no-write'] },
  async (env) => {
    for (const name of ['dma_size', 'monitor_dump_trig', 'memory_scrub', 'led0']) {
      assert.equal(await read(env, env.debugfs(name)), 'EINVAL', name);
    }
    for (const name of ['data_dma', 'monitor_dump', 'command_buffers', 'vm', 'engines']) {
      assert.equal(await write(env, env.debugfs(name), '1'), 'EINVAL', name);
    }
  },
);

files.add('files@debugfs-too-many-bits', { covers: ['FILE_WRITE/ERANGE/value-range'] }, async (env) => {
  for (const [name, text] of [
    ['addr', '0x10000000000000000'],
    ['data32', '100000000'],
    ['data32', '0x100000000'],
    ['timeout_locked', '4294967296'],
  ] as const) {
    assert.equal(await write(env, env.debugfs(name), text), 'ERANGE', name);
  }
});

files.add(
  'files@debugfs-addresses',
  { covers: ['FILE_READ/EINVAL/address', 'FILE_WRITE/EINVAL/address'] },
  async (env) => {
    for (const address of ['0x7ffc000002', '0x7ff13ffffe', '0x1000000200000']) {
      await env.writeFile(env.debugfs('addr'), address);
      assert.equal(await read(env, env.debugfs('data32')), 'EINVAL', address);
      assert.equal(await write(env, env.debugfs('data32'), '1'), 'EINVAL', address);
    }
    await env.writeFile(env.debugfs('addr'), '0x7ffc000000');
    assert.equal(await write(env, env.debugfs('dma_size'), '4'), 'EINVAL', 'registers are no memory');
  },
);

files.add(
  'files@debugfs-no-such-hardware',
  {
    covers: [
      'FILE_READ/EIO/device',
      'FILE_WRITE/EIO/device',
      'FILE_READ/EBUSY/i2c-not-operational',
      'FILE_WRITE/EBUSY/i2c-not-operational',
    ],
  },
  async (env) => {
    assert.equal(await read(env, env.debugfs('i2c_data')), 'EIO');
    assert.equal(await write(env, env.debugfs('i2c_data'), 'ff'), 'EIO');
    assert.equal(await write(env, env.debugfs('led1'), '1'), 'EIO');
    await env.disable();
    try {
      assert.equal(await read(env, env.debugfs('i2c_data')), 'EBUSY');
      assert.equal(await write(env, env.debugfs('i2c_data'), 'ff'), 'EBUSY');
    } finally {
      await env.enable();
    }
  },
);

files.add(
  'files@firmware-silent',
  { fresh: true, modes: ['in-process'], covers: ['FILE_READ/ETIMEDOUT/firmware'] },
  async (env) => {
    await env.inject('heartbeat');
    assert.equal(await read(env, env.sysfs('clk_cur_freq_mhz')), 'ETIMEDOUT');
    assert.equal(await read(env, env.sysfs('clk_max_freq_mhz')), 'EIO');
  },
);

files.add(
  'files@sensor-firmware-silent',
  { fresh: true, modes: ['in-process'], covers: ['FILE_WRITE/ETIMEDOUT/firmware'] },
  async (env) => {
    const card = (await env.readFile(env.sysfs('pci_addr'))).trim();
    await env.inject('heartbeat');
    const sensor = `/sys/bus/pci/devices/${card}/hwmon/hwmon0/temp7_offset`;
    assert.equal(await write(env, sensor, '100000'), 'ETIMEDOUT');
  },
);

files.add(
  'files@debugfs-i2c',
  { covers: ['FILE_READ/EIO/device', 'FILE_READ/EBUSY/i2c-not-operational', 'FILE_WRITE/EBUSY/i2c-not-operational'] },
  async (env) => {
    assert.equal(await read(env, env.debugfs('i2c_data')), 'EIO');
    await env.disable();
    try {
      assert.equal(await read(env, env.debugfs('i2c_data')), 'EBUSY');
      assert.equal(await write(env, env.debugfs('i2c_data'), 'ff'), 'EBUSY');
    } finally {
      await env.enable();
    }
  },
);

files.add('files@memory-scrub-with-a-pattern', { fresh: true, covers: ['FILE_WRITE/ENOMEM/memory'] }, async (env) => {
  // 32 GiB of anything but zero are not taken from the machine.
  await env.writeFile(env.debugfs('memory_scrub_val'), '0x55');
  assert.equal(await env.readFile(env.debugfs('memory_scrub_val')), '0x0000000000000055\n');
  assert.equal(await write(env, env.debugfs('memory_scrub'), '1'), 'ENOMEM');
});
