/**
 * Where everything lies: the directories and links of /sys that tools walk to find a device (uapi.md 1.1, 9,
 * device.md 10.2).
 *
 * Owns: the layout of the tree. Must not know what any file says.
 */
import type { HlDevice } from '../core/device.js';
import type { Machine } from '../core/machine.js';
import { debugfsDirectory } from './debugfs.js';
import type { DebugDevice } from './debugfs-memory.js';
import { dmaBufDirectory } from './dma-buf-info.js';
import { hwmonDirectory, type SensorOffsets } from './hwmon.js';
import { NODE_MAJOR, PCI_CLASS, PCI_DEVICE, PCI_VENDOR, pciAddress, primaryMinor } from './pci.js';
import { controlDirectory, primaryDirectory, readOnly } from './sysfs.js';
import { type DirectoryNode, directory, directoryOf, type LinkNode, link, type Node } from './tree.js';

/** What a device keeps for its files alone. */
export interface DeviceState extends DebugDevice {
  readonly offsets: SensorOffsets;
}

export function rootDirectory(machine: Machine, stateOf: (device: HlDevice) => DeviceState): DirectoryNode {
  const devices = () => machine.devices;
  return directory({
    sys: () =>
      directory({
        bus: () =>
          directory({
            pci: () =>
              directory({
                devices: () => directoryOf(devices, pciAddress, (device) => link(`../../../${pciPath(device)}`)),
                drivers: () =>
                  directory({
                    habanalabs: () =>
                      directoryOf(devices, pciAddress, (device) => link(`../../../../${pciPath(device)}`)),
                  }),
              }),
          }),
        class: () =>
          directory({
            // Libraries for newer kernels look there also where the nodes have the older names (device.md 10.2).
            accel: () => links(machine, { primary: 'accel', control: 'accel_controlD' }),
            habanalabs: () => links(machine, { primary: 'hl', control: 'hl_controlD' }),
          }),
        dev: () => directory({ char: () => nodeNumbers(machine) }),
        devices: () =>
          directory({
            'pci0000:00': () => directoryOf(devices, pciAddress, (device) => pciDirectory(stateOf(device))),
            virtual: () => directory({ habanalabs: () => nodes(machine) }),
          }),
        kernel: () =>
          directory({
            debug: () =>
              directory(
                {
                  accel: () =>
                    directoryOf(
                      devices,
                      ({ index }) => String(index),
                      ({ index }) => link(`../habanalabs/hl${index}`),
                    ),
                  dma_buf: () => dmaBufDirectory(machine),
                  habanalabs: () =>
                    directoryOf(
                      devices,
                      ({ index }) => `hl${index}`,
                      (device) => debugfsDirectory(stateOf(device)),
                    ),
                },
                0o700,
              ),
          }),
      }),
  });
}

interface Entry {
  readonly name: string;
  readonly node: () => Node;
}

function entriesOf(machine: Machine, make: (device: HlDevice) => readonly Entry[]): DirectoryNode {
  return directoryOf(
    () => machine.devices.flatMap(make),
    ({ name }) => name,
    ({ node }) => node(),
  );
}

/** /sys/devices/virtual/habanalabs: the directories themselves. */
function nodes(machine: Machine): DirectoryNode {
  return entriesOf(machine, (device) => [
    { name: `hl${device.index}`, node: () => primaryDirectory(device) },
    { name: `hl_controlD${device.index}`, node: () => controlDirectory(device) },
  ]);
}

function links(machine: Machine, names: { primary: string; control: string }): DirectoryNode {
  return entriesOf(machine, ({ index }) => [
    { name: `${names.primary}${index}`, node: () => nodeLink(`hl${index}`) },
    { name: `${names.control}${index}`, node: () => nodeLink(`hl_controlD${index}`) },
  ]);
}

/** /sys/dev/char, by major:minor. */
function nodeNumbers(machine: Machine): DirectoryNode {
  return entriesOf(machine, (device) => [
    { name: `${NODE_MAJOR}:${primaryMinor(device)}`, node: () => nodeLink(`hl${device.index}`) },
    { name: `${NODE_MAJOR}:${primaryMinor(device) + 1}`, node: () => nodeLink(`hl_controlD${device.index}`) },
  ]);
}

/** From a directory two below /sys. */
function nodeLink(name: string): LinkNode {
  return link(`../../devices/virtual/habanalabs/${name}`);
}

function pciPath(device: HlDevice): string {
  return `devices/pci0000:00/${pciAddress(device)}`;
}

function pciDirectory({ device, offsets }: DeviceState): DirectoryNode {
  const hex = (value: number, digits: number) => () =>
    readOnly(() => `0x${value.toString(16).padStart(digits, '0')}\n`);
  return directory({
    class: hex(PCI_CLASS, 6),
    device: hex(PCI_DEVICE, 4),
    driver: () => link('../../../bus/pci/drivers/habanalabs'),
    hwmon: () => directory({ [`hwmon${device.index}`]: () => hwmonDirectory(device, offsets) }),
    subsystem: () => link('../../../bus/pci'),
    uevent: () =>
      readOnly(
        () =>
          `DRIVER=habanalabs\nPCI_CLASS=${PCI_CLASS.toString(16).toUpperCase()}\n` +
          `PCI_ID=${pciId()}\nPCI_SLOT_NAME=${pciAddress(device)}\n`,
      ),
    vendor: hex(PCI_VENDOR, 4),
  });
}

function pciId(): string {
  const digits = (value: number) => value.toString(16).toUpperCase().padStart(4, '0');
  return `${digits(PCI_VENDOR)}:${digits(PCI_DEVICE)}`;
}
