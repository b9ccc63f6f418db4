/** Layouts are gapless, and the 2021 generation is as the reference has it. The 6.1 one: c-parity.test.ts. */
import { describe, expect, it } from 'vitest';
import { ABIS, decodeStruct, encodeStruct, placeOf } from './layout.js';
import { HL_CB_IN, HL_CS_OUT, HL_WAIT_CS_IN, STRUCTS } from './structs.js';
import { HL_INFO_HW_IP_INFO } from './structs-info.js';

describe('layouts', () => {
  it('every byte of a 6.1 struct belongs to a field, and none beyond', () => {
    for (const struct of STRUCTS) {
      const covered = new Uint8Array(struct.size['6.1']);
      for (const { c, at, as } of Object.values(struct.fields)) {
        expect(at + as.size, `${struct.c}.${c}`).toBeLessThanOrEqual(covered.length);
        expect(at % as.align, `${struct.c}.${c} is aligned`).toBe(0);
        covered.fill(1, at, at + as.size);
      }
      // The free, unmap and map_block members of the memory union are shorter than the union.
      expect(covered.indexOf(0), `${struct.c}: first byte of no field`).toBe(-1);
    }
  });

  it('2021 fields lie inside the 2021 struct', () => {
    for (const struct of STRUCTS) {
      for (const field of Object.values(struct.fields)) {
        const place = placeOf(field, '2021');
        if (place === null) continue;
        expect(place.at + place.as.size, `${struct.c}.${field.c}`).toBeLessThanOrEqual(struct.size['2021']);
      }
    }
  });

  it('C names are unique within a struct', () => {
    for (const struct of STRUCTS) {
      const names = Object.values(struct.fields).map(({ c }) => c);
      expect(new Set(names).size, struct.c).toBe(names.length);
    }
  });

  it('sizes of the 2021 generation (uapi.md 2.1 to 2.6, 8)', () => {
    const of2021 = Object.fromEntries(STRUCTS.map(({ c, size }) => [c, size['2021']]));
    expect(of2021).toEqual({
      'struct hl_info_args': 24,
      'struct hl_info_hw_ip_info': 232,
      'struct hl_info_dram_usage': 16,
      'struct hl_info_hw_idle': 24,
      'struct hl_info_device_status': 8,
      'struct hl_info_reset_count': 8,
      'struct hl_info_time_sync': 16,
      'struct hl_info_cs_counters': 96,
      'struct hl_info_sync_manager': 8,
      'struct hl_info_device_utilization': 8,
      'struct hl_info_clk_rate': 8,
      'struct hl_info_pci_counters': 24,
      'struct hl_info_clk_throttle': 4,
      'struct hl_info_energy': 8,
      'struct hl_pll_frequency_info': 8,
      'struct hl_power_info': 8,
      'struct hl_info_last_err_open_dev_time': 0,
      'struct hl_info_cs_timeout_event': 0,
      'struct hl_info_razwi_event': 0,
      'struct hl_info_undefined_opcode_event': 0,
      'struct hl_info_dev_memalloc_page_sizes': 0,
      'struct hl_info_sec_attest': 0,
      'struct hl_debug_params_etr': 24,
      'struct hl_debug_params_etf': 24,
      'struct hl_debug_params_stm': 24,
      'struct hl_debug_params_bmon': 48,
      'struct hl_debug_params_spmu': 88,
      'struct hl_open_stats_info': 0,
      'struct hl_cb_in': 24,
      'struct hl_cb_out': 8,
      'struct hl_cs_chunk': 64,
      'struct hl_cs_in': 48,
      'struct hl_cs_out': 16,
      'struct hl_wait_cs_in': 24,
      'struct hl_wait_cs_out': 16,
      'struct hl_mem_in': 40,
      'struct hl_mem_out': 16,
      'struct hl_debug_args': 40,
    });
  });
});

describe('decodeStruct and encodeStruct', () => {
  it('write what they are given and read it back', () => {
    const view = new DataView(new ArrayBuffer(64));
    const values = { cbHandle: 0x1000_0000_0000_1000n, op: 1, cbSize: 4096, ctxId: 0, flags: 2 };
    encodeStruct(HL_CB_IN, '6.1', values, view, 8);
    expect(decodeStruct(HL_CB_IN, '6.1', view, 8)).toEqual(values);
    expect(view.getUint32(20, true)).toBe(4096);
  });

  it('a field the generation lacks is neither written nor read', () => {
    const view = new DataView(new ArrayBuffer(48));
    encodeStruct(HL_CB_IN, '2021', { flags: 3, cbSize: 5 }, view);
    expect(view.getUint32(20, true)).toBe(0);
    expect(decodeStruct(HL_CB_IN, '2021', view)).not.toHaveProperty('flags');
    expect(Object.keys(decodeStruct(HL_CS_OUT, '2021', view))).toEqual(['seq', 'status']);
  });

  it('the interrupt form of a 2021 wait has its two words elsewhere', () => {
    const view = new DataView(new ArrayBuffer(24));
    encodeStruct(HL_WAIT_CS_IN, '2021', { target: 7, interruptTimeoutUs: 9 }, view);
    expect([view.getUint32(8, true), view.getUint32(12, true)]).toEqual([7, 9]);
  });

  it('a short buffer yields the fields that fit', () => {
    const view = new DataView(new ArrayBuffer(232));
    const fields = decodeStruct(HL_INFO_HW_IP_INFO, '6.1', view);
    expect(fields).toHaveProperty('dramPageSize', 0);
    expect(fields).not.toHaveProperty('edmaEnabledMask');
  });

  it('a field of another struct is a mistake', () => {
    expect(() => encodeStruct(HL_CB_IN, '6.1', { seq: 1 }, new DataView(new ArrayBuffer(24)))).toThrow('no field seq');
  });

  it('both generations are listed', () => {
    expect(ABIS).toEqual(['2021', '6.1']);
  });
});
