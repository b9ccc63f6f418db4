/** Where addresses lead: the walk says what an access would find, and touches nothing. */
import {
  BUS_SLOT_SIZE,
  CFG_BASE,
  DCORE,
  DRAM_USER_BASE,
  HBM_SIZE,
  PSOC_TIMESTAMP,
  peerCfgBusAddress,
  peerHbmBusAddress,
  SRAM_BASE,
  SRAM_USER_BASE,
  sobAddress,
} from '@pedrera/hw';
import { describe, expect, it } from 'vitest';
import { HOST_SLOT, HOST_VA, leaseOf, openMachine, rights } from './test-harness.js';

const VA = 0x1_0000_4000_0000;

describe('walk', () => {
  it('physical-hbm-with-the-right-to-it', async () => {
    const { device } = openMachine();
    expect(await device.walk(1, DRAM_USER_BASE + 16)).toEqual({
      space: 'hbm',
      address: DRAM_USER_BASE + 16,
      device: null,
      translated: false,
      writable: true,
      size: HBM_SIZE - DRAM_USER_BASE - 16,
    });
    expect(await device.walk(1, DRAM_USER_BASE - 1)).toBeNull();
    device.createContext(2, rights());
    expect(await device.walk(2, DRAM_USER_BASE)).toBeNull();
  });

  it('translations-to-memory-of-the-host-as-far-as-it-goes', async () => {
    const { device, host } = openMachine();
    expect(await device.walk(1, HOST_VA + 4096)).toEqual({
      space: 'bus',
      address: HOST_SLOT * BUS_SLOT_SIZE + 4096,
      device: null,
      translated: true,
      writable: true,
      size: host.byteLength - 4096,
    });
    expect(await device.walk(1, HOST_VA + host.byteLength)).toBeNull();
    await device.removeBusRegion(HOST_SLOT);
    expect(await device.walk(1, HOST_VA)).toBeNull();
  });

  it('translations-to-hbm-and-to-other-devices', async () => {
    const { device } = openMachine();
    device.map(1, { va: VA, size: 8192, target: { space: 'hbm', address: 0x4000_0000 }, writable: false });
    expect(await device.walk(1, VA + 1)).toMatchObject({
      space: 'hbm',
      address: 0x4000_0001,
      writable: false,
      size: 8191,
    });
    const peer = { space: 'bus', address: peerHbmBusAddress(3, 0x123_0000) } as const;
    device.map(1, { va: VA + 8192, size: 4096, target: peer, writable: true });
    expect(await device.walk(1, VA + 8192)).toMatchObject({
      space: 'peer',
      device: 3,
      address: 0x123_0000,
      size: 4096,
    });
    const offset = sobAddress(DCORE.E_N, 5) - CFG_BASE;
    device.map(1, {
      va: VA + 12288,
      size: 4096,
      target: { space: 'bus', address: peerCfgBusAddress(2, offset) },
      writable: true,
    });
    expect(await device.walk(1, VA + 12288)).toMatchObject({
      space: 'peer-registers',
      device: 2,
      address: sobAddress(DCORE.E_N, 5),
    });
  });

  it('sram-and-sync-objects-only-where-leased', async () => {
    const { device } = openMachine();
    expect(await device.walk(1, SRAM_USER_BASE)).toMatchObject({
      space: 'sram',
      address: SRAM_USER_BASE,
      writable: true,
    });
    device.createContext(2, rights({ sync: [leaseOf(DCORE.W_S, 8, 8, 0, 4)] }));
    expect(await device.walk(2, SRAM_USER_BASE)).toBeNull();
    expect(await device.walk(2, sobAddress(DCORE.W_S, 8))).toMatchObject({ space: 'registers', size: 4 });
    expect(await device.walk(2, sobAddress(DCORE.W_S, 16))).toBeNull();
    expect(await device.walk(2, CFG_BASE + PSOC_TIMESTAMP.CNTCVL)).toBeNull();
  });

  it('the-drivers-bytes-of-sram-are-read-only', async () => {
    const { device } = openMachine();
    device.createContext(2, rights());
    device.setRights(1, rights());
    device.setRights(2, rights({ sram: { base: SRAM_BASE, size: 4096 } }));
    expect(await device.walk(2, SRAM_BASE + 4)).toMatchObject({ writable: false, size: 0x80 - 4 });
  });

  it('nobody-and-nowhere', async () => {
    const { device } = openMachine();
    expect(await device.walk(9, HOST_VA)).toBeNull();
    expect(await device.walk(1, Number.NaN)).toBeNull();
    expect(await device.walk(1, -4)).toBeNull();
    expect(await device.walk(1, HBM_SIZE)).toBeNull();
  });
});
