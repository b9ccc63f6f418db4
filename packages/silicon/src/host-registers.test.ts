/** Registers as the host sees them, and what users may reach of them (device.md 1.5, 1.6, 2.4, 4.1, 8.4, 8.5). */
import {
  ARM_RST_CONTROL,
  BUS_SLOT_SIZE,
  CFG_BASE,
  cpFenceRdataAddress,
  DCORE,
  DMA_CORE_REGISTERS,
  dmaCoreBase,
  encodeCpDma,
  FENCE_REGISTER_STRIDE,
  HBM_CONTROLLER_BASE,
  HOST_WINDOW_BASE,
  KMD_MSG_TO_CPU,
  MME_CTRL_REGISTERS,
  MME_STATUS_IDLE,
  MMU_CAPTURE_VALID,
  MMU_REGISTERS,
  mmeCtrlBase,
  monitorArm,
  monitorRegisters,
  PSOC_TIMESTAMP,
  QM_REGISTERS,
  qmBase,
  SM_BLOCK_BASES,
  sobAddress,
  sobValue,
  TPC_CFG_REGISTERS,
  TPC_STATUS_IDLE,
  tpcCfgBase,
} from '@pedrera/hw';
import { describe, expect, it } from 'vitest';
import { initiatorId } from './fault-captures.js';
import { RegisterFile } from './register-file.js';
import { HBM, HOST_SLOT, HOST_VA, openMachine, Packets, rights, TestMachine } from './test-harness.js';

const DMA0_QM = qmBase('DMA0');

function read(machine: TestMachine, offset: number): number {
  return machine.device.machine.readRegister(offset);
}
function write(machine: TestMachine, offset: number, value: number): void {
  machine.device.machine.writeRegister(offset, value);
}

describe('register file', () => {
  it('reads-what-was-written-and-holds-only-that', () => {
    const file = new RegisterFile();
    file.write(0x3ff_fffc, 0xffff_ffff);
    file.write(0x10, 0);
    expect([file.read(0x3ff_fffc), file.read(0x3ff_fff8), file.read(0x10)]).toEqual([0xffff_ffff, 0, 0]);
    expect(file.pages).toBe(1);
  });
});

describe('host access', () => {
  it('what-is-not-modelled-is-a-word', () => {
    const machine = openMachine();
    expect(read(machine, 0xc0_1b48)).toBe(0);
    write(machine, 0xc0_1b48, 0x1234_5678);
    expect(read(machine, 0xc0_1b48)).toBe(0x1234_5678);
    write(machine, qmBase('TPC3') + QM_REGISTERS.GLBL_CFG1, 0xf);
    expect(read(machine, qmBase('TPC3') + QM_REGISTERS.GLBL_CFG1)).toBe(0xf);
    for (let page = 0; page < 8192; page++) expect(read(machine, page * 0x1000)).toBeGreaterThanOrEqual(0);
  });

  it('offsets-outside-are-refused', async () => {
    const { device } = openMachine();
    for (const offset of [-4, 2, 0x400_0000, 1.5])
      await expect(device.readRegister(offset)).rejects.toThrow(RangeError);
  });

  it('timestamp-counter', () => {
    const machine = openMachine();
    machine.nowNs = 5 * 2 ** 32 + 7.5;
    expect([read(machine, PSOC_TIMESTAMP.CNTCVL), read(machine, PSOC_TIMESTAMP.CNTCVU)]).toEqual([7, 5]);
  });

  it('hbm-controller-has-done-what-it-was-told', () => {
    const machine = openMachine();
    for (let n = 0; n < 4; n++) {
      const base = HBM_CONTROLLER_BASE + n * 0x8_0000;
      write(machine, base + 0x9028, 5);
      expect(read(machine, base + 0x9034)).toBe(5);
      write(machine, base + 0x9034, 0);
      expect([read(machine, base + 0x9034), read(machine, base + 0x9028)]).toEqual([0, 5]);
    }
  });

  it('cpu-halts-and-answers-no-more', async () => {
    const machine = openMachine();
    expect(await machine.device.testFirmware(0xfe8c_e7a5)).toBe(0xfe8c_e7a5);
    write(machine, ARM_RST_CONTROL, 0);
    expect(await machine.device.testFirmware(1)).toBe(1);
    write(machine, KMD_MSG_TO_CPU, 1);
    write(machine, ARM_RST_CONTROL, 0);
    expect(await machine.device.testFirmware(1)).toBeUndefined();
    await machine.device.reset();
    expect(await machine.device.testFirmware(1)).toBe(1);
  });

  it('sram', async () => {
    const { device } = openMachine();
    await device.writeSram(0, Uint8Array.of(1, 2, 3));
    expect(await device.readSram(0, 4)).toEqual(Uint8Array.of(1, 2, 3, 0));
    await expect(device.readSram(0x140_0000 - 2, 3)).rejects.toThrow(RangeError);
    await expect(device.writeSram(-1, Uint8Array.of(1))).rejects.toThrow(RangeError);
  });
});

describe('sync managers', () => {
  const monitor = (dcore: number, index: number) => {
    const { addressLow, addressHigh, data, arm, status } = monitorRegisters(dcore, index);
    return [addressLow, addressHigh, data, arm, status].map((address) => address - CFG_BASE);
  };

  it('objects-and-monitors-read-back', () => {
    const machine = openMachine();
    machine.run(1, 0, (p) =>
      p
        .sob(8, 'set', 2)
        .sob(9, 'set', 7)
        .monitor(DCORE.E_N, 3, { address: HBM + 8, data: 0x55 }, { group: 1, mask: 0xf8, mode: 'ge', value: 3 }),
    );
    expect(read(machine, sobAddress(DCORE.E_N, 9) - CFG_BASE)).toBe(7);
    const arm = monitorArm({ group: 1, mask: 0xf8, mode: 'ge', value: 3 });
    // Objects 8 and 10 are not there yet.
    expect(monitor(DCORE.E_N, 3).map((offset) => read(machine, offset))).toEqual([HBM + 8, 0, 0x55, arm, 1 | (5 << 1)]);
    expect(machine.device.machine.snapshot().monitors).toMatchObject([{ monitor: 3, pending: 5 }]);
  });

  it('host-write-fires-monitors-and-clearing-status-disarms', () => {
    const machine = openMachine();
    machine.submit(1, 0, (p) => p.waitFor(0, 0, 0, 'ge', 2).sob(1, 'set', 1));
    machine.device.runUntilIdle();
    write(machine, sobAddress(DCORE.E_N, 0) - CFG_BASE, sobValue('add', 2));
    machine.device.runUntilIdle();
    expect(machine.state(1, 0)).toBe('idle');
    machine.run(1, 0, (p) => p.waitFor(0, 1, 2, 'ge', 1));
    const status = monitor(DCORE.E_N, 1)[4] as number;
    expect(read(machine, status)).toBe(1 | (4 << 1));
    write(machine, status, 0);
    expect(read(machine, status)).toBe(0);
    expect(machine.device.machine.snapshot().monitors).toEqual([]);
  });

  it('other-registers-of-the-block-are-words', () => {
    const machine = openMachine();
    const security = SM_BLOCK_BASES[DCORE.W_N] + 0x6800;
    write(machine, security, 9);
    expect(read(machine, security)).toBe(9);
    expect(machine.run(1, 0, (p) => p.long(CFG_BASE + security, 1))).toMatchObject([{ cause: 'razwi' }]);
  });

  it('non-zero-objects-are-in-the-snapshot', () => {
    const machine = openMachine();
    machine.run(1, 0, (p) => p.sob(5, 'set', 3));
    write(machine, sobAddress(DCORE.W_S, 130) - CFG_BASE, 4);
    expect(machine.device.machine.snapshot().syncObjects).toEqual([
      { dcore: DCORE.W_S, sob: 130, value: 4, asid: 0 },
      { dcore: DCORE.E_N, sob: 5, value: 3, asid: 1 },
    ]);
  });

  it('an-overflow-names-the-object-and-stops-nothing', () => {
    const machine = openMachine();
    const address = sobAddress(DCORE.E_N, 1);
    const faults = machine.run(1, 0, (p) => p.sob(1, 'add', 32000).sob(1, 'add', 32000).sob(2, 'set', 1));
    expect(faults).toMatchObject([{ cause: 'sob-overflow', address }]);
    expect(read(machine, address - CFG_BASE)).toBe(0x7fff);
    expect(read(machine, address + 4 - CFG_BASE)).toBe(1);
  });
});

describe('queue managers', () => {
  it('idle-before-anybody-came', async () => {
    const machine = new TestMachine();
    expect(read(machine, DMA0_QM + QM_REGISTERS.GLBL_STS0)).toBe(0x3fff);
    expect(read(machine, DMA0_QM + QM_REGISTERS.CGM_STS)).toBe(0x100);
    const engines = await machine.device.engineStatus();
    expect(engines).toHaveLength(30);
    expect(engines.every(({ idle }) => idle)).toBe(true);
    expect(engines[0]).toEqual({ name: 'DMA0', idle: true, qmGlblSts0: 0x3fff, qmCgmSts: 0x100, status: 0 });
    expect(engines[9]).toEqual({
      name: 'MME1',
      idle: true,
      qmGlblSts0: undefined,
      qmCgmSts: undefined,
      status: MME_STATUS_IDLE,
    });
    expect(engines[12]).toMatchObject({ name: 'TPC0', status: TPC_STATUS_IDLE });
    expect(engines[20]).toMatchObject({ name: 'NIC0', qmGlblSts0: 0x3fff, status: undefined });
  });

  it('a-fenced-stream', async () => {
    const machine = openMachine();
    const start = BUS_SLOT_SIZE;
    machine.submit(1, 2, (p) => p.nop().fence({ id: 3, target: 2, dec: 1 }).nop());
    machine.submit(1, 2, (p) => p.nop());
    machine.device.runUntilIdle();
    machine.run(1, 0, (p) => p.long(cpFenceRdataAddress('DMA0', 2, 3), 1));
    const at = (base: number) => read(machine, DMA0_QM + base + 4 * 2);
    expect(read(machine, DMA0_QM + QM_REGISTERS.GLBL_STS0)).toBe(0x3fff & ~(1 << 2) & ~(1 << 6) & ~(1 << 11));
    expect(read(machine, DMA0_QM + QM_REGISTERS.CGM_STS)).toBe(0);
    expect([at(QM_REGISTERS.PQ_PI), at(QM_REGISTERS.PQ_CI), at(QM_REGISTERS.PQ_SIZE)]).toEqual([2, 1, 12]);
    expect(at(QM_REGISTERS.CQ_PTR_LO_STS)).toBe((start + 8) % 2 ** 32);
    expect(at(QM_REGISTERS.CQ_PTR_HI_STS)).toBe(Math.floor((HOST_WINDOW_BASE + start) / 2 ** 32));
    expect(at(QM_REGISTERS.CQ_TSIZE_STS)).toBe(16);
    expect(at(QM_REGISTERS.CP_STS)).toBe(0x7_0000 | (3 << 20) | (1 << 22));
    expect(at(QM_REGISTERS.CP_CURRENT_INST_LO)).toBe(0xc002_0001);
    expect(at(QM_REGISTERS.CP_CURRENT_INST_HI) & 0x1f00_0000).toBe(0x0800_0000);
    expect(at(QM_REGISTERS.CP_FENCE_CNT + 3 * FENCE_REGISTER_STRIDE)).toBe(1);
    expect(machine.stream(1, 2)).toMatchObject({ state: 'fence', engine: 'DMA0', lower: false, cpSts: 0x77_0000 });
    expect((await machine.device.engineStatus())[0]).toMatchObject({ idle: false, qmCgmSts: 0 });
    write(machine, cpFenceRdataAddress('DMA0', 2, 3) - CFG_BASE, 1);
    machine.device.runUntilIdle();
    expect((await machine.device.engineStatus())[0]).toMatchObject({ idle: true });
  });

  it('errors-stay-until-cleared', () => {
    const machine = openMachine();
    machine.run(1, 1, (p) => p.long(0x7f_fc0e_8000, 1));
    machine.run(1, 1, (p) => p.raw(0, 0));
    const sts1 = DMA0_QM + QM_REGISTERS.GLBL_STS1 + 4;
    expect(read(machine, sts1)).toBe((1 << 5) | (1 << 3));
    expect(read(machine, DMA0_QM + QM_REGISTERS.GLBL_STS0) >>> 16).toBe(1 << (25 - 16 + 1));
    write(machine, sts1, 1 << 3);
    expect(read(machine, sts1)).toBe(1 << 5);
  });

  it('arbitration-registers', () => {
    const machine = openMachine();
    const set = (register: number, value: number) =>
      machine.run(1, 0, (p) => p.long(CFG_BASE + DMA0_QM + register, value));
    expect(set(QM_REGISTERS.ARB_CFG_0, 0x110)).toEqual([]);
    expect(set(QM_REGISTERS.ARB_WRR_WEIGHT_0 + 8, 3)).toEqual([]);
    expect(set(QM_REGISTERS.ARB_MST_QUIET_PER, 0x10)).toEqual([]);
    expect(read(machine, DMA0_QM + QM_REGISTERS.ARB_CFG_0)).toBe(0x110);
    expect(read(machine, DMA0_QM + QM_REGISTERS.ARB_WRR_WEIGHT_0 + 8)).toBe(3);
    expect(read(machine, DMA0_QM + QM_REGISTERS.ARB_MST_QUIET_PER)).toBe(0x10);
  });

  it('the-lowest-context-answers', () => {
    const machine = new TestMachine();
    for (const asid of [2, 5]) machine.device.createContext(asid, rights());
    machine.run(5, 0, (p) => p.fence({ id: 0, target: 1, dec: 1 }));
    const props = DMA0_QM + QM_REGISTERS.NON_SECURE_PROPS;
    expect(read(machine, DMA0_QM + QM_REGISTERS.GLBL_STS0)).toBe(0x3fff);
    machine.device.machine.destroyContext(2);
    expect(read(machine, DMA0_QM + QM_REGISTERS.GLBL_STS0)).not.toBe(0x3fff);
    expect(read(machine, props)).toBe(5);
  });

  it('program-constants', () => {
    const machine = openMachine();
    machine.run(1, 0, (p) => p.nop());
    machine.ring(1, 9);
    const qm2 = qmBase('DMA2');
    expect(read(machine, DMA0_QM + QM_REGISTERS.GLBL_CFG0)).toBe(0x1eff);
    expect(read(machine, qm2 + QM_REGISTERS.GLBL_CFG0)).toBe(0x3fff);
    expect([0, 1, 2, 3].map((base) => read(machine, DMA0_QM + QM_REGISTERS.CP_MSG_BASE0_LO + 0x28 * base))).toEqual([
      0xfc4f_4000, 0xfc4f_2000, 0xfc49_4000, 0xfc49_2000,
    ]);
    expect(read(machine, DMA0_QM + QM_REGISTERS.CP_MSG_BASE0_LO + 0x14)).toBe(0x7f);
    expect(read(machine, qm2 + QM_REGISTERS.CP_LDMA_TSIZE_OFFSET)).toBe(0x81bc);
    expect(read(machine, qm2 + QM_REGISTERS.CP_LDMA_TSIZE_OFFSET + 16)).toBe(0x74);
    expect(read(machine, qm2 + QM_REGISTERS.GLBL_ERR_WDATA)).toBe(434);
    expect(read(machine, qm2 + QM_REGISTERS.GLBL_ERR_ADDR_LO)).toBe(0xfc80_0040);
  });
});

describe('lower command processors', () => {
  /** An upper buffer at HBM that hands `fill`'s packets, at HBM + 0x1000, to the lower processor of DMA2. */
  function submitLower(machine: TestMachine, fill: (packets: Packets) => void): void {
    const lower = new Packets();
    fill(lower);
    const upper = new Packets();
    upper.at = encodeCpDma(upper.words, 0, { src: HBM + 0x1000, size: lower.at * 4 });
    const memory = new Uint32Array(machine.bank(1).buffer);
    memory.set(upper.words.subarray(0, upper.at), 0);
    memory.set(lower.words.subarray(0, lower.at), 0x400);
    machine.submitAt(1, 11, HBM, upper.at * 4);
    machine.device.runUntilIdle();
  }

  it('an-entry-of-its-own-behind-the-streams', () => {
    const machine = openMachine();
    submitLower(machine, (p) => p.nop().fence({ id: 0, target: 1, dec: 1 }));
    const { streams } = machine.device.machine.snapshot();
    expect(streams).toMatchObject([
      { queue: 11, engine: 'DMA2', lower: false, state: 'idle' },
      {
        queue: 11,
        engine: 'DMA2',
        lower: true,
        state: 'fence',
        fence: { id: 0, target: 1, rdataAddress: cpFenceRdataAddress('DMA2', 4, 0) },
        head: { words: [0x0001_0001, 0x0800_0000], offset: 8, bytes: 16 },
        pi: 1,
        fetched: 1,
        completed: 0,
      },
    ]);
    const qm = qmBase('DMA2');
    expect(read(machine, qm + QM_REGISTERS.CP_CURRENT_INST_LO + 16)).toBe(0x0001_0001);
    expect(read(machine, qm + QM_REGISTERS.CQ_PTR_LO_STS + 16)).toBe(HBM + 0x1008);
    expect(read(machine, qm + QM_REGISTERS.GLBL_STS0)).toBe(0x3fff & ~(1 << 8) & ~(1 << 13));
    write(machine, cpFenceRdataAddress('DMA2', 4, 0) - CFG_BASE, 1);
    machine.device.runUntilIdle();
    expect(read(machine, qm + QM_REGISTERS.GLBL_STS0)).toBe(0x3fff);
  });

  it('faults-say-that-it-was-the-lower-one', () => {
    const machine = openMachine();
    submitLower(machine, (p) => p.raw(0, 0));
    expect(machine.faults).toMatchObject([{ queue: 11, lowerCp: true, cause: 'undefined-opcode' }]);
    expect(read(machine, qmBase('DMA2') + QM_REGISTERS.GLBL_STS1 + 16)).toBe(1 << 3);
    expect(read(machine, qmBase('DMA2') + QM_REGISTERS.GLBL_STS0) >>> 16).toBe(1 << (29 - 16));
  });

  it('looking-at-a-buffer-that-is-gone-is-no-fault', () => {
    const machine = openMachine();
    const upper = new Packets();
    upper.fence({ id: 0, target: 1, dec: 1 });
    new Uint32Array(machine.host).set(upper.words.subarray(0, upper.at));
    machine.submitAt(1, 9, HOST_VA, upper.at * 4);
    machine.device.runUntilIdle();
    expect(machine.stream(1, 9)?.head?.words).toEqual([0x0001_0001, 0x0800_0000]);
    machine.device.machine.unmap(1, HOST_VA, machine.host.byteLength);
    expect(machine.stream(1, 9)).toMatchObject({ head: null, state: 'fence' });
    expect(read(machine, MMU_REGISTERS.PAGE_ERROR_CAPTURE)).toBe(0);
    expect(machine.faults).toEqual([]);
  });
});

describe('engines', () => {
  it('dma-core-registers-by-message', () => {
    const machine = openMachine();
    const core = dmaCoreBase(0);
    machine.hostBytes.fill(7, 0, 64);
    expect(machine.run(1, 1, (p) => p.long(CFG_BASE + core + DMA_CORE_REGISTERS.WR_COMP_WDATA, 5))).toEqual([]);
    expect(read(machine, core + DMA_CORE_REGISTERS.WR_COMP_WDATA)).toBe(5);
    machine.run(1, 0, (p) => p.dma({ size: 64, src: HOST_VA, dst: HBM }));
    expect(read(machine, core + DMA_CORE_REGISTERS.DST_TSIZE_0)).toBe(64);
    expect(read(machine, core + DMA_CORE_REGISTERS.STS0)).toBe(0);
    for (const register of [DMA_CORE_REGISTERS.STS0, DMA_CORE_REGISTERS.PROT, DMA_CORE_REGISTERS.ERR_CFG])
      expect(machine.run(1, 0, (p) => p.long(CFG_BASE + core + register, 1))).toMatchObject([{ cause: 'razwi' }]);
  });

  it('busy-while-a-transfer-is-under-way', async () => {
    const machine = openMachine({ turn: { packets: 10, bytes: 64 } });
    machine.submit(1, 0, (p) => p.dma({ size: 4096, src: HOST_VA, dst: HBM }));
    machine.device.step();
    expect(read(machine, dmaCoreBase(0) + DMA_CORE_REGISTERS.STS0)).toBe(0x8000_0000);
    expect((await machine.device.engineStatus())[0]).toMatchObject({ idle: false, status: 0x8000_0000 });
    expect(machine.state(1, 0)).toBe('dma');
    machine.device.runUntilIdle();
    expect(read(machine, dmaCoreBase(0) + DMA_CORE_REGISTERS.STS0)).toBe(0);
  });

  it('tpc-and-mme-keep-what-is-written-but-are-not-started', () => {
    const machine = openMachine();
    const tensor = tpcCfgBase(3) + 0xa00;
    const descriptor = mmeCtrlBase(2) + 0x28;
    expect(machine.run(1, 0, (p) => p.long(CFG_BASE + tensor, 0x1234).long(CFG_BASE + descriptor, 0x202))).toEqual([]);
    expect([read(machine, tensor), read(machine, descriptor)]).toEqual([0x1234, 0x202]);
    const execute = CFG_BASE + tpcCfgBase(3) + TPC_CFG_REGISTERS.TPC_EXECUTE;
    const command = CFG_BASE + mmeCtrlBase(2) + MME_CTRL_REGISTERS.CMD;
    for (const address of [execute, command, CFG_BASE + mmeCtrlBase(1) + MME_CTRL_REGISTERS.CMD])
      expect(machine.run(1, 0, (p) => p.long(address, 1))).toMatchObject([{ cause: 'not-modelled', address }]);
    expect(read(machine, tpcCfgBase(3) + TPC_CFG_REGISTERS.STATUS)).toBe(TPC_STATUS_IDLE);
    expect(read(machine, mmeCtrlBase(0))).toBe(MME_STATUS_IDLE);
  });
});

describe('what users may reach', () => {
  it('windows-of-a-bare-device', () => {
    const machine = openMachine();
    expect(machine.run(1, 0, (p) => p.long(CFG_BASE + 0x5000, 0x77))).toEqual([]);
    expect(read(machine, 0x5000)).toBe(0x77);
    for (const offset of [0xe_8000, 0x1e_8000, 0x48_fffc, 0x60_0000, 0xc1_1034, 0x80_0040, 0xc4_9008, 0xfc_9000])
      expect(machine.run(1, 0, (p) => p.long(CFG_BASE + offset, 1))).toMatchObject([{ cause: 'razwi' }]);
    expect(read(machine, 0x80_0040)).toBe(0);
  });

  it('between-several-contexts-only-what-each-has-for-itself', () => {
    const machine = new TestMachine();
    for (const asid of [1, 2]) machine.device.createContext(asid, rights());
    expect(machine.run(1, 0, (p) => p.long(CFG_BASE + 0x5000, 1))).toMatchObject([{ cause: 'razwi' }]);
    expect(machine.run(2, 0, (p) => p.long(CFG_BASE + tpcCfgBase(0) + 0xa00, 9))).toEqual([]);
    expect(read(machine, tpcCfgBase(0) + 0xa00)).toBe(0);
    machine.device.machine.destroyContext(1);
    expect(read(machine, tpcCfgBase(0) + 0xa00)).toBe(9);
  });
});

describe('captures of faults', () => {
  it('the-first-page-fault-until-cleared', () => {
    const machine = openMachine();
    const va = 0x1_2345_6789_a000;
    const address = () => {
      const high = read(machine, MMU_REGISTERS.PAGE_ERROR_CAPTURE);
      return {
        valid: (high & MMU_CAPTURE_VALID) !== 0,
        va: (high & 0x3_ffff) * 2 ** 32 + read(machine, MMU_REGISTERS.PAGE_ERROR_CAPTURE_VA),
      };
    };
    expect(address()).toEqual({ valid: false, va: 0 });
    machine.run(1, 0, (p) => p.long(va, 1).long(va + 0x1000, 1));
    expect(address()).toEqual({ valid: true, va });
    write(machine, MMU_REGISTERS.PAGE_ERROR_CAPTURE, 0);
    expect(address()).toEqual({ valid: false, va: 0 });
    machine.run(1, 0, (p) => p.dma({ size: 8, src: va + 8, dst: HBM }));
    expect(address()).toEqual({ valid: true, va: va + 8 });
  });

  it('a-write-to-read-only-memory', () => {
    const machine = new TestMachine();
    machine.device.createContext(1, rights());
    machine.device.map(1, {
      va: HOST_VA,
      size: 4096,
      target: { space: 'bus', address: HOST_SLOT * BUS_SLOT_SIZE },
      writable: false,
    });
    machine.run(1, 0, (p) => p.long(HOST_VA + 4, 1));
    expect(read(machine, MMU_REGISTERS.ACCESS_ERROR_CAPTURE)).toBe(MMU_CAPTURE_VALID | 0x1_0000);
    expect(read(machine, MMU_REGISTERS.ACCESS_ERROR_CAPTURE_VA)).toBe((HOST_VA + 4) % 2 ** 32);
    expect(read(machine, MMU_REGISTERS.PAGE_ERROR_CAPTURE)).toBe(0);
  });

  it('razwi-by-direction-with-its-initiator', () => {
    const machine = openMachine();
    machine.run(1, 4, (p) => p.dma({ size: 8, src: 0x1000, dst: HBM }));
    expect(read(machine, MMU_REGISTERS.RAZWI_READ_VLD)).toBe(1);
    expect(read(machine, MMU_REGISTERS.RAZWI_READ_ID)).toBe(initiatorId(1));
    expect(read(machine, MMU_REGISTERS.RAZWI_WRITE_VLD)).toBe(0);
    expect(read(machine, dmaCoreBase(1) + DMA_CORE_REGISTERS.ERR_CAUSE)).toBe(1);
    machine.run(1, 0, (p) => p.long(0x1000, 1));
    expect(read(machine, MMU_REGISTERS.RAZWI_WRITE_VLD)).toBe(1);
    expect((read(machine, MMU_REGISTERS.RAZWI_WRITE_ID) >>> 20) & 0xf).toBe(2);
    write(machine, MMU_REGISTERS.RAZWI_WRITE_VLD, 0);
    expect(read(machine, MMU_REGISTERS.RAZWI_WRITE_VLD)).toBe(0);
    write(machine, dmaCoreBase(1) + DMA_CORE_REGISTERS.ERR_CAUSE, 1);
    expect(read(machine, dmaCoreBase(1) + DMA_CORE_REGISTERS.ERR_CAUSE)).toBe(0);
  });
});
