/** The register map, the queue table and the address map against numbers of device.md. */
import { describe, expect, it } from 'vitest';
import { CFG_BASE, classifyAddress, HBM_BANK_COUNT, HOST_VA_END, SRAM_USER_BASE } from './address-map.js';
import { CPU_QUEUE, ENGINES, QUEUE_COUNT, QUEUES, queueByName } from './queues.js';
import {
  blockEngine,
  blockKind,
  blockRegister,
  cpFenceRdataAddress,
  DCORE,
  dcoreOfOffset,
  describeRegister,
  dmaCoreBase,
  fenceOfOffset,
  fenceRdataAddress,
  hasQueueManager,
  isUserRegister,
  MSG_SHORT_BASES,
  mmeCtrlBase,
  monitorRegisters,
  msiAddress,
  qmBase,
  REGISTER_BLOCK,
  registerBlock,
  sobAddress,
  tpcCfgBase,
} from './registers.js';

describe('registers', () => {
  it('sync-managers', () => {
    expect([0, 1, 2, 3].map((dcore) => sobAddress(dcore, 0) - CFG_BASE)).toEqual([
      0x492000, 0x4d2000, 0x4f2000, 0x4b2000,
    ]);
    expect(monitorRegisters(DCORE.W_S, 1)).toEqual({
      addressLow: CFG_BASE + 0x494004,
      addressHigh: CFG_BASE + 0x494804,
      data: CFG_BASE + 0x495004,
      arm: CFG_BASE + 0x495804,
      status: CFG_BASE + 0x496004,
    });
    for (let dcore = 0; dcore < 4; dcore++) expect(dcoreOfOffset(sobAddress(dcore, 2047) - CFG_BASE)).toBe(dcore);
    expect(dcoreOfOffset(0x508000)).toBe(-1);
    expect(MSG_SHORT_BASES).toEqual([0x4f4000, 0x4f2000, 0x494000, 0x492000]);
    expect(() => sobAddress(4, 0)).toThrow(RangeError);
  });

  it('queue-managers', () => {
    expect(qmBase('DMA0')).toBe(0x508000);
    expect(qmBase('DMA1')).toBe(0x528000);
    expect(qmBase('MME2')).toBe(0x168000);
    expect(qmBase('TPC7')).toBe(0xe08000 + 7 * 0x40000);
    expect(qmBase('NIC1')).toBe(0xce2000);
    expect(() => qmBase('MME1')).toThrow(RangeError);
  });

  it('fence-addresses-lead-back-to-queue-and-fence', () => {
    expect(fenceRdataAddress(0, 0)).toBe(CFG_BASE + 0x508308);
    expect(fenceRdataAddress(7, 2)).toBe(CFG_BASE + 0x528330 + 12);
    const seen = new Set<number>();
    for (const { id, kind } of QUEUES) {
      if (kind === 'cpu') continue;
      for (let fence = 0; fence < 4; fence++) {
        const address = fenceRdataAddress(id, fence);
        expect(fenceOfOffset(address - CFG_BASE)).toBe(id * 4 + fence);
        expect(seen.has(address)).toBe(false);
        seen.add(address);
      }
    }
    expect(() => fenceRdataAddress(CPU_QUEUE, 0)).toThrow(RangeError);
    expect(fenceOfOffset(0x508300)).toBe(-1);
  });

  it('names', () => {
    expect(describeRegister(0x4f2014)).toBe('E_N SOB 5');
    expect(describeRegister(0x495904)).toBe('W_S MON 65 arm');
    expect(describeRegister(0x508308 + 0x14 + 4)).toBe('DMA_0_1 FENCE 1');
    expect(describeRegister(msiAddress(3) - CFG_BASE)).toBe('MSI 3');
    expect(describeRegister(0x44)).toBe('CFG+0x44');
    expect(describeRegister(tpcCfgBase(3) + 0x938)).toBe('TPC3 CFG TPC_EXECUTE');
    expect(describeRegister(mmeCtrlBase(0) + 0x280)).toBe('MME0 CTRL CMD');
    expect(describeRegister(qmBase('DMA2') + 0xa00)).toBe('DMA2 QM ARB_CFG_0');
    expect(describeRegister(0x500004)).toBe('DMA0 core+0x4');
  });

  it('blocks', () => {
    expect(registerBlock(0)).toBe(0);
    ENGINES.forEach((engine, id) => {
      if (!hasQueueManager(engine)) return;
      for (const register of [0, 0xffc]) {
        const block = registerBlock(qmBase(engine) + register);
        expect([blockKind(block), blockEngine(block)]).toEqual([REGISTER_BLOCK.QM, id]);
        expect(blockRegister(qmBase(engine) + register)).toBe(register);
      }
    });
    for (const [base, kind, engine] of [
      [dmaCoreBase(7), REGISTER_BLOCK.DMA_CORE, 7],
      [tpcCfgBase(7), REGISTER_BLOCK.TPC_CFG, 19],
      [mmeCtrlBase(3), REGISTER_BLOCK.MME_CTRL, 11],
    ] as const) {
      const block = registerBlock(base + 4);
      expect([blockKind(block), blockEngine(block)]).toEqual([kind, engine]);
    }
    expect(registerBlock(0x1e_0000 + 0x8000)).toBe(0);
  });

  it('windows-of-users', () => {
    for (const offset of [0x49_2000, 0x5e_8000, 0x6_0000, 0x16_0000, 0xc4_9008, 0xce_0000, 0xe0_6000, 0xfc_8ffc])
      expect(isUserRegister(offset)).toBe(true);
    for (const offset of [0xe_8000, 0x44_1124, 0x60_0000, 0xc4_b304, 0xce_4000, 0xfc_9000, 0x3ff_fffc])
      expect(isUserRegister(offset)).toBe(false);
  });

  it('fences-of-a-lower-processor', () => {
    expect(cpFenceRdataAddress('DMA2', 4, 0)).toBe(CFG_BASE + 0x54_8318);
    expect(describeRegister(cpFenceRdataAddress('DMA2', 4, 1) - CFG_BASE)).toBe('DMA2 lower FENCE 1');
  });
});

describe('queues', () => {
  it('table', () => {
    expect(QUEUE_COUNT).toBe(113);
    QUEUES.forEach((queue, id) => {
      expect(queue.id).toBe(id);
    });
    expect(queueByName('DMA_1_3')).toMatchObject({ id: 7, kind: 'external', engine: 'DMA1', stream: 3, length: 4096 });
    expect(queueByName('DMA_7_3')?.id).toBe(32);
    expect(queueByName('MME_0_0')).toMatchObject({ id: 33, engine: 'MME2', length: 1024 });
    expect(queueByName('TPC_7_3')?.id).toBe(72);
    expect(queueByName('NIC_9_3')?.id).toBe(112);
    expect(queueByName('CPU_PQ')?.id).toBe(CPU_QUEUE);
    expect(ENGINES.indexOf('MME0')).toBe(8);
    expect(ENGINES.indexOf('NIC9')).toBe(29);
  });
});

describe('address map', () => {
  it('classes', () => {
    expect(classifyAddress(0)).toBe('hbm-driver');
    expect(classifyAddress(0x2000_0000)).toBe('hbm');
    expect(classifyAddress(0x8_0000_0000)).toBe('hole');
    expect(classifyAddress(SRAM_USER_BASE)).toBe('sram');
    expect(classifyAddress(CFG_BASE)).toBe('cfg');
    expect(classifyAddress(0x7fff_1234_5678)).toBe('unmapped-va');
    expect(classifyAddress(HOST_VA_END - 1)).toBe('host-va');
    expect(classifyAddress(0x2_7fc0_0000_0000)).toBe('dram-va');
    expect(HBM_BANK_COUNT).toBe(32);
  });
});
