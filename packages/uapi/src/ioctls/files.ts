/** The driver's sysfs and debugfs as files of the daemon, for programs and shells that have no such mount (uapi.md 9). This project's own calls. */
import { array, optional, struct } from '../composite-kinds.js';
import { defineIoctl, row } from '../ioctl.js';
import { bytes, string, u32, u53, word } from '../kinds.js';
import { MAX_FILE_BYTES, MAX_FILE_ENTRIES, MAX_FILE_PATH } from '../limits.js';
import { OWN_NR } from './blocks.js';

const MAX_FILE_NAME = 64;
const EVIDENCE = { section: 'uapi.md 9' } as const;
const NOT_THERE = row('ENOENT', 'path', 'no such file');
const BELOW_A_FILE = row('ENOTDIR', 'below-a-file', 'the path goes on below a file');

export const FILE_STAT = defineIoctl({
  name: 'FILE_STAT',
  nr: OWN_NR.FILES,
  op: 0,
  access: 'any',
  duringReset: true,
  req: { path: string(MAX_FILE_PATH) },
  res: { kind: word('file', 'dir', 'link'), mode: u32, size: u53, target: optional(string(MAX_FILE_PATH)) },
  errors: [NOT_THERE, BELOW_A_FILE],
  doc: 'What lies at a path of sysfs or debugfs, such as /sys/class/habanalabs/hl0/status. Double slashes are one. A link names its target.',
  level: 'functional',
  evidence: EVIDENCE,
});

export const FILE_LIST = defineIoctl({
  name: 'FILE_LIST',
  nr: OWN_NR.FILES,
  op: 1,
  access: 'any',
  duringReset: true,
  req: { path: string(MAX_FILE_PATH) },
  res: {
    entries: array(
      struct({ name: string(MAX_FILE_NAME), kind: word('file', 'dir', 'link'), mode: u32 }),
      MAX_FILE_ENTRIES,
    ),
  },
  errors: [NOT_THERE, row('ENOTDIR', 'not-a-directory', 'the path is no directory')],
  doc: 'What a directory of sysfs or debugfs holds.',
  level: 'functional',
  evidence: EVIDENCE,
});

export const FILE_READ = defineIoctl({
  name: 'FILE_READ',
  nr: OWN_NR.FILES,
  op: 2,
  access: 'any',
  duringReset: true,
  req: { path: string(MAX_FILE_PATH), offset: u53, size: u32 },
  res: { bytes: bytes(MAX_FILE_BYTES) },
  errors: [
    NOT_THERE,
    BELOW_A_FILE,
    row('EISDIR', 'directory', 'the path is a directory'),
    row('EACCES', 'mode', 'an attribute that can only be written'),
    row('EINVAL', 'no-read', 'a debugfs node that can only be written'),
    row('ENODEV', 'not-operational', 'an attribute of hardware, while the device is not operational'),
    row('EBUSY', 'i2c-not-operational', 'i2c_data, while the device is not operational'),
    row('EINVAL', 'size', 'a read of no bytes, where the driver refuses that'),
    row('EINVAL', 'address', 'data32 or data64 at an address nothing answers at, or mmu_error without a mask'),
    row('EIO', 'device', 'what the node stands for is not there, or the device CPU is dead'),
    row('ETIMEDOUT', 'firmware', 'the device CPU does not answer'),
  ],
  doc: 'pread(2) of a sysfs attribute or a debugfs node, at most 256 KiB at once. What it says, and when it says nothing, is uapi.md 9.1 to 9.4.',
  level: 'functional',
  evidence: EVIDENCE,
});

export const FILE_WRITE = defineIoctl({
  name: 'FILE_WRITE',
  nr: OWN_NR.FILES,
  op: 3,
  access: 'any',
  duringReset: true,
  req: { path: string(MAX_FILE_PATH), offset: u53, bytes: bytes(MAX_FILE_BYTES) },
  res: { written: u32 },
  errors: [
    NOT_THERE,
    BELOW_A_FILE,
    row('EISDIR', 'directory', 'the path is a directory'),
    row('EACCES', 'mode', 'an attribute that can only be read'),
    row('EINVAL', 'no-write', 'a debugfs node that can only be read'),
    row('ENODEV', 'not-operational', 'an attribute of hardware, while the device is not operational'),
    row('EINVAL', 'value', 'not what the node takes'),
    row('ERANGE', 'value-range', 'a number of more bits than the debugfs node has'),
    row('EBUSY', 'i2c-not-operational', 'i2c_data, while the device is not operational'),
    row('EINVAL', 'address', 'data32 or data64 at an address nothing answers at, dma_size outside SRAM and HBM'),
    row('EBUSY', 'context-open', 'a scrub of device memory while a context is open'),
    row('ENOMEM', 'memory', 'a scrub of device memory with a value other than 0'),
    row('EIO', 'device', 'what the node stands for is not there, or a scrub while the device is not operational'),
    row('ETIMEDOUT', 'firmware', 'a sensor, while the device CPU does not answer'),
  ],
  doc: 'pwrite(2) to a sysfs attribute or a debugfs node, with the effect the driver gives it (uapi.md 9.1, 9.2).',
  level: 'functional',
  evidence: EVIDENCE,
});
