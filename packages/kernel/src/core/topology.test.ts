/** Machine descriptions: what is refused and why, and who reaches whom. */
import { HlError } from '@pedrera/base';
import { describe, expect, it } from 'vitest';
import { MACHINE_SCHEMA, parseMachine } from './machine-file.js';
import { type Endpoint, placeOf, plainMachine, Topology } from './topology.js';

const device = (index: number): Endpoint => ({ kind: 'device', index });
const nic = (index: number): Endpoint => ({ kind: 'nic', index });

/** Two sockets; two switches below the first, one of them with access control; a card beside and a card inside. */
const MACHINE = {
  schema: MACHINE_SCHEMA,
  hostBridges: [
    { name: 'socket0', p2p: 'within' },
    { name: 'socket1', numa: 1 },
  ],
  switches: [
    { name: 'sw0', under: 'socket0' },
    { name: 'sw1', under: 'sw0' },
    { name: 'sw2', under: 'socket1', acs: true },
  ],
  devices: [
    { under: 'sw0', pci: '0000:19:00.0', module: 7 },
    { under: 'sw1' },
    { under: 'socket0' },
    { under: 'sw2' },
    { under: 'sw2' },
    { under: 'sw1' },
  ],
  nics: [
    { name: 'hli', under: 'sw0' },
    { name: 'hli1', in: 'hl1' },
    { name: 'hli2', in: 'hl2' },
  ],
  networks: ['tor'],
  links: [
    { from: 'hl1:0', to: 'hl2:9' },
    { from: 'hli:0', to: 'tor' },
    { from: 'tor', to: 'hl2:1' },
  ],
  blocked: [['hl0', 'hl5']],
};

function topology(down: readonly string[] = []): Topology {
  return new Topology(parseMachine(JSON.stringify(MACHINE)), (at, port) => !down.includes(`${at}:${port}`));
}

describe('a machine nobody described', () => {
  it('everything-reaches-everything', () => {
    const machine = new Topology(plainMachine(3), () => true);
    for (const a of [device(0), device(1), device(2), nic(0)]) {
      for (const b of [device(0), device(1), device(2), nic(0)]) {
        expect(machine.distance(a, b)).toBe(a.kind === b.kind && a.index === b.index ? 0 : 1);
      }
    }
    expect(placeOf(machine.description, 2)).toEqual({ name: 'hl2', module: 2, pci: '0000:03:00.0', numa: 0 });
    expect(machine.nics).toEqual(['hli']);
    expect(machine.connected(0, 0)).toBe(true);
  });
});

describe('distances', () => {
  it.each([
    ['below-one-switch', device(1), device(5), 1],
    ['below-a-common-switch-further-up', device(0), device(1), 2],
    ['round-the-host-bridge-where-that-works', device(0), device(2), 2],
    ['from-deeper-below', device(1), device(2), 3],
    ['not-across-sockets', device(0), device(3), -1],
    ['not-where-access-control-sends-it-up-to-a-bridge-that-forwards-nothing', device(3), device(4), -1],
    ['not-between-a-blocked-pair', device(0), device(5), -1],
    ['to-a-card-beside', nic(0), device(1), 2],
    ['to-the-device-a-card-is-in', nic(1), device(1), 0],
    ['from-a-card-in-a-device', nic(1), device(5), 1],
    ['to-itself', device(3), device(3), 0],
  ])('%s', (_, a, b, expected) => {
    expect(topology().distance(a, b)).toBe(expected);
    expect(topology().distance(b, a)).toBe(expected);
  });

  it('places', () => {
    expect(placeOf(topology().description, 0)).toEqual({ name: 'hl0', module: 7, pci: '0000:19:00.0', numa: 0 });
    expect(placeOf(topology().description, 3)).toMatchObject({ numa: 1, pci: '0000:04:00.0' });
  });
});

describe('links', () => {
  it('between-cards', () => {
    expect(topology().connected(1, 2)).toBe(true);
    expect(topology().connected(0, 2)).toBe(true);
    expect(topology().connected(2, 0)).toBe(true);
    expect(topology().connected(0, 1)).toBe(false);
  });

  it.each([
    ['one-end-down', '1:0', false, true],
    ['the-other-end-down', '2:9', false, true],
    ['the-networks-port-down', '2:1', true, false],
    ['a-port-without-a-cable-down', '1:5', true, true],
  ])('%s', (_, down, direct, throughNetwork) => {
    expect(topology([down]).connected(1, 2)).toBe(direct);
    expect(topology([down]).connected(0, 2)).toBe(throughNetwork);
  });
});

describe('descriptions that are refused', () => {
  const BARE = { schema: MACHINE_SCHEMA, hostBridges: [{ name: 'r' }], devices: [{ under: 'r' }] };
  it.each<[string, unknown, RegExp]>([
    ['no-json', '{', /not JSON/],
    ['no-schema', {}, /schema: undefined; this release reads "pedrera\.machine\/1"/],
    ['another-version', { ...BARE, schema: 'pedrera.machine/2' }, /schema: "pedrera\.machine\/2"/],
    ['null', null, /schema/],
    ['unknown-field', { ...BARE, device: [] }, /there is no field "device"; fields are schema, /],
    ['no-devices', { ...BARE, devices: [] }, /at least one device/],
    ['too-many-devices', { ...BARE, devices: Array.from({ length: 17 }, () => ({ under: 'r' })) }, /the most is/],
    ['no-list', { ...BARE, devices: {} }, /devices: a list is wanted/],
    ['no-object', { ...BARE, devices: [3] }, /devices\[0\]: an object is wanted/],
    ['bad-name', { ...BARE, hostBridges: [{ name: '9' }] }, /hostBridges\[0\]\.name: "9" is no name/],
    ['no-bridge', { ...BARE, devices: [{ under: 'x' }] }, /devices\[0\]\.under: x is no bridge; bridges are r/],
    [
      'switch-without-bridge',
      { ...BARE, switches: [{ name: 's', under: 'x' }] },
      /switches\[0\]\.under: x is no bridge/,
    ],
    [
      'switch-below-itself',
      {
        ...BARE,
        switches: [
          { name: 's', under: 't' },
          { name: 't', under: 's' },
        ],
      },
      /below itself/,
    ],
    ['acs', { ...BARE, switches: [{ name: 's', under: 'r', acs: 1 }] }, /acs: 1 is neither true nor false/],
    ['p2p', { ...BARE, hostBridges: [{ name: 'r', p2p: 'all' }] }, /"all" is none of none, within, any/],
    ['pci-address', { ...BARE, devices: [{ under: 'r', pci: '19:00.0' }] }, /"19:00\.0" is no PCI address/],
    [
      'pci-address-twice',
      { ...BARE, devices: [{ under: 'r', pci: '0000:02:00.0' }, { under: 'r' }] },
      /devices\[1\]\.pci/,
    ],
    [
      'module-twice',
      { ...BARE, devices: [{ under: 'r' }, { under: 'r', module: 0 }] },
      /devices\[1\]\.module: 0 is that of/,
    ],
    ['module', { ...BARE, devices: [{ under: 'r', module: -1 }] }, /-1 is no whole number from 0 to 255/],
    ['name-twice', { ...BARE, devices: [{ under: 'r', name: 'r' }] }, /the name r is taken by hostBridges\[0\]/],
    ['card-nowhere', { ...BARE, nics: [{ name: 'hli' }] }, /either `under` a bridge or `in` a device/],
    ['card-elsewhere', { ...BARE, nics: [{ name: 'hli', in: 'hl9' }] }, /hl9 is neither a bridge nor a device/],
    ['link-without-port', { ...BARE, networks: ['n'], links: [{ from: 'hl0', to: 'n' }] }, /hl0 has the ports 0 to 9/],
    ['link-to-nobody', { ...BARE, links: [{ from: 'hl0:0', to: 'hl1:0' }] }, /nothing with ports is called hl1/],
    [
      'link-of-an-inner-card',
      { ...BARE, nics: [{ name: 'n', in: 'hl0' }], links: [{ from: 'n:0', to: 'hl0:1' }] },
      /the ports of n are those of hl0/,
    ],
    [
      'link-port-twice',
      {
        ...BARE,
        networks: ['n'],
        links: [
          { from: 'hl0:0', to: 'n' },
          { from: 'hl0:0', to: 'n' },
        ],
      },
      /hl0:0 is an end of links\[0\]/,
    ],
    [
      'link-of-networks',
      { ...BARE, networks: ['n', 'm'], links: [{ from: 'n', to: 'm' }] },
      /one of its ends must be a port/,
    ],
    ['link-end', { ...BARE, links: [{ from: 7, to: 'n' }] }, /7 is no end of a link/],
    ['blocked-stranger', { ...BARE, blocked: [['hl0', 'r']] }, /blocked\[0\]: r is neither a device nor a card/],
    ['blocked-no-pair', { ...BARE, blocked: [['hl0']] }, /a pair of names/],
  ])('%s', (_, value, message) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    const failure = (() => {
      try {
        parseMachine(text);
      } catch (error) {
        return error;
      }
      return undefined;
    })();
    expect(failure).toBeInstanceOf(HlError);
    expect(failure).toMatchObject({ code: 'EINVAL', message: expect.stringMatching(message) });
  });
});
