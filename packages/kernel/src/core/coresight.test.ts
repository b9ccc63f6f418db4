/** Debug mode and the trace units: what may be programmed, what a unit that is stopped says. */
import { DRAM_USER_BASE, HBM_SIZE, HOST_VA_BASE, SRAM_USER_BASE } from '@pedrera/hw';
import { describe, expect, it } from 'vitest';
import { Coresight, UNIT_COUNT } from './coresight.js';
import { codeNow } from './test-support.js';

const ON = { regIdx: 0, enable: true, outputSize: 0 };
const OFF = { regIdx: 0, enable: false, outputSize: 0 };
const OWNER = {};

function inDebugMode(): Coresight {
  const units = new Coresight();
  units.setMode(true, OWNER);
  return units;
}

describe('debug mode', () => {
  it('is-needed-by-every-unit', () => {
    const units = new Coresight();
    expect(codeNow(() => units.timestamp(ON))).toBe('EFAULT');
    expect(codeNow(() => units.etr(OFF, undefined))).toBe('EFAULT');
    expect(codeNow(() => units.unit('FUNNEL', { ...ON, regIdx: 999 }, undefined))).toBe('EFAULT');
    expect(codeNow(() => units.spmu(OFF, undefined))).toBe('EFAULT');
  });

  it('turning-it-to-what-it-is-is-EFAULT', () => {
    const units = new Coresight();
    expect(codeNow(() => units.setMode(false, OWNER))).toBe('EFAULT');
    units.setMode(true, OWNER);
    expect(codeNow(() => units.setMode(true, OWNER))).toBe('EFAULT');
  });

  it('off-stops-all-units', () => {
    const units = inDebugMode();
    units.unit('FUNNEL', ON, undefined);
    units.unit('BMON', { ...ON, regIdx: 120 }, { params: {} });
    expect(units.running).toEqual(['FUNNEL 0', 'BMON 120']);
    units.setMode(false, OWNER);
    expect(units.running).toEqual([]);
  });

  it('goes-with-the-context-that-turned-it-on', () => {
    const units = inDebugMode();
    units.leave({});
    expect(units.debugMode).toBe(true);
    units.leave(OWNER);
    expect(units.debugMode).toBe(false);
  });
});

describe('units', () => {
  it('index-limits', () => {
    const units = inDebugMode();
    for (const kind of ['ETF', 'STM', 'FUNNEL', 'BMON'] as const) {
      const last = { ...ON, regIdx: UNIT_COUNT[kind] - 1 };
      expect(codeNow(() => units.unit(kind, last, { params: {} }))).toBe('ok');
      expect(codeNow(() => units.unit(kind, { ...ON, regIdx: UNIT_COUNT[kind] }, { params: {} }))).toBe('EINVAL');
    }
    expect(codeNow(() => units.spmu({ ...OFF, regIdx: UNIT_COUNT.SPMU, outputSize: 24 }, undefined))).toBe('EINVAL');
  });

  it('enable-without-parameters-is-EINVAL', () => {
    const units = inDebugMode();
    expect(codeNow(() => units.unit('ETF', ON, { params: undefined }))).toBe('EINVAL');
    expect(codeNow(() => units.unit('FUNNEL', ON, undefined))).toBe('ok');
    expect(codeNow(() => units.unit('ETF', OFF, { params: undefined }))).toBe('ok');
  });

  it('sink-buffers', () => {
    const units = inDebugMode();
    const sink = (bufferAddress: number, bufferSize: number) =>
      codeNow(() => units.etr(ON, { bufferAddress, bufferSize, sinkMode: 0 }));
    expect(sink(DRAM_USER_BASE, 4096)).toBe('ok');
    expect(sink(SRAM_USER_BASE, 64)).toBe('ok');
    expect(sink(HOST_VA_BASE + 2 ** 21, 4096)).toBe('ok');
    expect(sink(DRAM_USER_BASE, 0)).toBe('EINVAL');
    expect(sink(0, 4096)).toBe('EINVAL');
    expect(sink(HBM_SIZE - 64, 128)).toBe('EINVAL');
    expect(sink(2 ** 50, 64)).toBe('EINVAL');
    expect(codeNow(() => units.etr(ON, undefined))).toBe('EINVAL');
  });

  it('a-stopped-sink-wrote-nothing', () => {
    const units = inDebugMode();
    units.etr(ON, { bufferAddress: DRAM_USER_BASE, bufferSize: 4096, sinkMode: 0 });
    expect(units.etr({ ...OFF, outputSize: 8 }, undefined)).toEqual([DRAM_USER_BASE]);
    expect(units.etr({ ...OFF, outputSize: 4 }, undefined)).toEqual([]);
  });

  it('spmu-events-and-output', () => {
    const units = inDebugMode();
    for (const [count, code] of [
      [2, 'EINVAL'],
      [3, 'ok'],
      [6, 'ok'],
      [7, 'EINVAL'],
    ] as const) {
      expect([count, codeNow(() => units.spmu(ON, { eventTypesNum: count }))]).toEqual([count, code]);
    }
    expect(codeNow(() => units.spmu({ ...OFF, outputSize: 16 }, undefined))).toBe('EINVAL');
    expect(codeNow(() => units.spmu({ ...OFF, outputSize: 72 }, undefined))).toBe('EINVAL');
    expect(units.spmu({ ...OFF, outputSize: 40 }, undefined)).toEqual([0, 0, 0, 0, 0]);
  });
});
