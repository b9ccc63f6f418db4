/** `smi`: the boxes, and the CSV scripts read. */
import { describe, expect, it } from 'vitest';
import { crowd } from '../testing/crowd.js';
import { makeStyle } from '../text/style.js';
import { renderSmi, smiDocument } from './smi.js';
import { FIELDS, parseFields, parseFormat, queryRows, renderCsv } from './smi-query.js';

const style = makeStyle(80, false);
const time = '2024-02-03T04:05:06.789Z';

function csv(fields: string, format: string): string {
  const names = parseFields(fields);
  return renderCsv(
    names,
    queryRows(names, smiDocument(crowd({ clients: 3 }), { id: undefined, time })),
    parseFormat(format),
  );
}

describe('boxes', () => {
  it('are those of hl-smi', () => {
    expect(renderSmi(smiDocument(crowd({ clients: 1 }), { id: undefined, time }), style)).toBe(
      `
+-----------------------------------------------------------------------------+
| HL-SMI Version:                                           fw-1.2.3          |
| Driver Version:                                               test          |
|-------------------------------+----------------------+----------------------+
| AIP  Name        Persistence-M| Bus-Id        Disp.A | Volatile Uncorr. ECC |
| Fan  Temp  Perf  Pwr:Usage/Cap|         Memory-Usage | AIP-Util  Compute M. |
|===============================+======================+======================|
|   0  HL-205              N/A  | 0000:01:00.0     N/A |                 N/A  |
| N/A   31C   N/A   102W / 350W |      2MiB / 32768MiB |    42%           N/A |
|-------------------------------+----------------------+----------------------+
|   1  HL-205              N/A  | 0000:02:00.0     N/A |                 N/A  |
| N/A   31C   N/A   102W / 350W |      0MiB / 32768MiB |     0%           N/A |
|-------------------------------+----------------------+----------------------+
| Compute Processes:                                               AIP Memory |
|  AIP       PID   Type   Process name                             Usage      |
|=============================================================================|
|   0       5000   C      worker-0.js                              2MiB       |
|   1        N/A   N/A    N/A                                      N/A        |
+=============================================================================+
`.trim(),
    );
  });

  it('every line is as long as the others', () => {
    const lines = renderSmi(smiDocument(crowd({ clients: 200 }), { id: undefined, time }), style).split('\n');
    expect(new Set(lines.map(({ length }) => length))).toEqual(new Set([79]));
  });

  it('a device that is not operational says so, and why', () => {
    const text = renderSmi(smiDocument(crowd({ clients: 1, status: 'in reset' }), { id: '1', time }), style);
    expect(text).toMatch(/\| +in reset +\|/);
    expect(text.split('\n').at(-1)).toBe('device 1 is in reset: event PCIE_DEC');
  });

  it('one device, by index or PCI address', () => {
    const indices = (id: string) => smiDocument(crowd({ clients: 0 }), { id, time }).devices.map(({ index }) => index);
    expect(indices('1')).toEqual([1]);
    expect(indices('0000:01:00.0')).toEqual([0]);
    expect(() => indices('7')).toThrow('no device 7');
  });
});

describe('-Q', () => {
  it('names and units as hl-smi has them', () => {
    expect(
      csv('index, memory.used,memory.total,utilization.aip,temperature.aip,power.draw', 'csv').split('\n'),
    ).toEqual([
      'index, memory.used [MiB], memory.total [MiB], utilization.aip [%], temperature.aip [C], power.draw [W]',
      '0, 4 MiB, 32768 MiB, 42 %, 31 C, 102 W',
      '1, 2 MiB, 32768 MiB, 42 %, 31 C, 102 W',
    ]);
  });

  it('without titles, without units', () => {
    expect(csv('index,memory.used', 'csv,noheader')).toBe('0, 4 MiB\n1, 2 MiB');
    expect(csv('index,memory.used', 'csv,noheader,nounits')).toBe('0, 4\n1, 2');
    expect(csv('memory.free', 'csv,nounits')).toBe('memory.free [MiB]\n32764\n32766');
  });

  it('what a simulated device does not have is N/A', () => {
    expect(csv('timestamp,ecc.mode.current,bus_id', 'csv,noheader')).toContain(`${time}, N/A, 0000:01:00.0`);
  });

  it('a field or a format that does not exist', () => {
    expect(() => parseFields('index,nonsense')).toThrow("--query-aip 'nonsense': no such field");
    expect(() => parseFormat('json')).toThrow("--format 'json': expected csv");
    expect(() => parseFormat('csv,nohead')).toThrow('expected csv');
    for (const name of Object.keys(FIELDS)) expect(parseFields(name)).toEqual([name]);
  });
});
