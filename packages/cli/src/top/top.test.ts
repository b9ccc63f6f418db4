/** What `pedrera top` makes of two snapshots, of keys, and of terminals of any size. */
import type { Snapshot } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { keysOf } from '../terminal/keyboard.js';
import { NO_COUNTERS } from '../testing/rows.js';
import { Scene } from '../testing/scene.js';
import { makeStyle } from '../text/style.js';
import { ASCII, BLOCKS, glyphsOf, sharesBar } from './bars.js';
import { type Place, picture } from './picture.js';
import { plainLines } from './plain.js';
import { ratesBetween, type TopDocument } from './rates.js';
import { chosenClients, INITIAL, KEYS, pressed, SORTS, type TopState } from './state.js';

const times = (busyNs: number, waitSyncNs: number, waitMemoryNs: number) => ({ busyNs, waitSyncNs, waitMemoryNs });

/** One second of work: `done` times what is done in it. */
function look(done: number, { clients = 2, engines = 1 } = {}): Snapshot {
  const scene = new Scene();
  scene.snapshot.timeNs = 5e9 + done * 1e9;
  const hbm = { total: 4 * 2 ** 30, used: 2 ** 30 };
  const work = { dmaBytes: done * 3 * 2 ** 30, submissions: done * 12_345, completed: done * 12_345 };
  scene.device(0, { hbm, counters: { ...NO_COUNTERS, ...work } });
  for (let n = 0; n < engines; n++) {
    const parts = times(done * 0.5e9, done * 0.25e9, done * 0.125e9);
    scene.engine(0, `TPC${n}`, { times: parts, contexts: [{ asid: 11, pid: 4711, times: parts }] });
  }
  scene.engine(0, 'NIC0');
  for (let n = 0; n < clients; n++) {
    const memory = { hbmBytes: 2 ** (30 - n), hostBytes: 4096, mappedBytes: 0 };
    scene.client({ pid: 4711 + n, device: 0 }, `program-${n}`, {
      memory,
      submitted: done * (n + 1) * 100,
      inFlight: n,
    });
  }
  return scene.snapshot;
}

function document(options?: Parameters<typeof look>[1]): TopDocument {
  return ratesBetween(look(1, options), look(2, options));
}

function place(columns: number, rows: number, color = false): Place {
  return { columns, rows, style: makeStyle(columns, color), glyphs: ASCII };
}

describe('rates', () => {
  it('are differences over the time between', () => {
    const { devices, engines, clients, periodMs } = document();
    expect(periodMs).toBe(1000);
    expect(devices).toMatchObject([{ submissionsPerS: 12_345, dmaBytesPerS: 3 * 2 ** 30 }]);
    expect(engines).toMatchObject([
      { name: 'TPC0', shares: { busy: 50, waitSync: 25, waitMemory: 12.5 }, used: true },
      { name: 'NIC0', shares: { busy: 0, waitSync: 0, waitMemory: 0 }, used: false },
    ]);
    expect(clients).toMatchObject([
      { pid: 4711, shares: { busy: 50 }, submissionsPerS: 100, hbmPercent: 25 },
      { pid: 4712, shares: { busy: 0 }, submissionsPerS: 200, hbmPercent: 12.5 },
    ]);
  });

  it('a device that was reset in between counts from zero', () => {
    const { devices } = ratesBetween(look(5), { ...look(2), timeNs: look(6).timeNs });
    expect(devices[0]?.submissionsPerS).toBe(2 * 12_345);
  });

  it('a client that is new has all of its submissions in the period', () => {
    const { clients } = ratesBetween(look(1, { clients: 1 }), look(2, { clients: 2 }));
    expect(clients[1]?.submissionsPerS).toBe(400);
  });

  it('the first look has no past', () => {
    const { devices, engines } = ratesBetween(look(1), look(1));
    expect(devices[0]?.submissionsPerS).toBe(0);
    expect(engines[0]?.shares.busy).toBe(0);
  });

  it('parts never make more than the whole', () => {
    const before = look(1);
    const shares = ratesBetween(before, { ...look(2), timeNs: before.timeNs + 0.5e9 }).engines[0]?.shares;
    expect((shares?.busy ?? 0) + (shares?.waitSync ?? 0) + (shares?.waitMemory ?? 0)).toBeCloseTo(100);
  });
});

describe('picture', () => {
  it('80 by 24, without colour and blocks', () => {
    expect(picture(document(), INITIAL, place(80, 24)).slice(0, 9)).toEqual([
      'pedrera top  2 clients, shared, up 1m00s                             every 1.0 s',
      'dev 0 HBM [###       ] 1 GiB/4 GiB  12.3k cs/s  DMA 3 GiB/s',
      'DEV ENGINE  BUSY  SYNC   MEM  [# busy = sync - memory]',
      '  0 TPC0     50%   25%   13%  [########################============------      ]',
      '',
      '    PID DEV   CS/S FLIGHT ENGINES       HBM               PROGRAM (by engine)',
      '   4711   0    100      0 [###== ]  50% [##    ]    1 GiB program-0',
      '   4712   0    200      1 [      ]   0% [#     ]  512 MiB program-1',
      '',
    ]);
  });

  it.each([
    [80, 24],
    [200, 60],
    [132, 43],
    [80, 10],
    [40, 5],
    [20, 3],
    [10, 1],
  ])('fits %d by %d', (columns, rows) => {
    const many = document({ clients: 500, engines: 28 });
    for (const state of [
      INITIAL,
      { ...INITIAL, idle: true },
      { ...INITIAL, help: true },
      { ...INITIAL, typing: true },
    ]) {
      const lines = picture(many, state, place(columns, rows));
      expect(lines).toHaveLength(rows);
      if (columns >= 80) expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
    }
  });

  it('shows clients also when there are many engines', () => {
    const lines = picture(document({ clients: 30, engines: 28 }), INITIAL, place(80, 24));
    expect(lines.filter((line) => line.includes('program-')).length).toBeGreaterThanOrEqual(5);
    expect(lines.join('\n')).toMatch(/more engines with less to do/);
    expect(lines.join('\n')).toMatch(/\d+ more clients: down/);
  });

  it('two engines side by side where there is room', () => {
    const lines = picture(document({ engines: 4 }), INITIAL, place(200, 60));
    expect(lines.find((line) => line.includes('TPC0'))).toContain('TPC2');
  });

  it('a hung engine and a device in reset stand out', () => {
    const shown = document();
    if (shown.engines[0]) shown.engines[0].hung = true;
    if (shown.devices[0]) shown.devices[0].status = 'in reset';
    const text = picture(shown, INITIAL, place(80, 24)).join('\n');
    expect(text).toMatch(/TPC0 .* HANGS/);
    expect(text).toMatch(/dev 0 .* IN RESET/);
  });

  it('colour only changes how it looks', () => {
    const color = picture(document(), INITIAL, place(100, 30, true)).join('\n');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what colour is made of
    expect(color.replace(/\u001b\[\d+m/g, '')).toBe(picture(document(), INITIAL, place(100, 30)).join('\n'));
  });

  it('nobody there, or nobody matches', () => {
    expect(picture(document({ clients: 0 }), INITIAL, place(80, 24)).join('\n')).toContain('no clients');
    expect(picture(document(), { ...INITIAL, filter: 'x\u001b' }, place(80, 24)).join('\n')).toContain(
      "no client matches 'x?'",
    );
  });
});

describe('bars', () => {
  it.each([
    ['whole', { busy: 100, waitSync: 0, waitMemory: 0 }, '[##########]'],
    ['parts', { busy: 50, waitSync: 30, waitMemory: 20 }, '[#####===--]'],
    ['a little is seen', { busy: 2, waitSync: 0, waitMemory: 0 }, '[#         ]'],
    ['nothing', { busy: 0, waitSync: 0, waitMemory: 0 }, '[          ]'],
    ['more than one engine', { busy: 350, waitSync: 0, waitMemory: 0 }, '[##########]'],
  ])('%s', (_, shares, bar) => {
    expect(sharesBar(shares, 12, ASCII, makeStyle(80, false))).toBe(bar);
  });

  it.each([
    [{ LANG: 'en_US.UTF-8' }, BLOCKS],
    [{ LANG: 'en_US.UTF-8', LC_ALL: 'C' }, ASCII],
    [{ LC_CTYPE: 'C.utf8' }, BLOCKS],
    [{}, ASCII],
    [{ LANG: 'de_DE.UTF-8', TERM: 'linux' }, ASCII],
  ])('glyphs with %j', (env, glyphs) => {
    expect(glyphsOf(env)).toBe(glyphs);
  });
});

describe('keys', () => {
  const press = (...keys: string[]): TopState => keys.reduce((state, key) => pressed(state, key, [0, 1]), INITIAL);

  it('what a terminal sends', () => {
    expect(keysOf('q\u001b[A\u001b[B\u0003\u001b[5~é\r\u007f')).toEqual([
      'q',
      'up',
      'down',
      'ctrl-c',
      'page-up',
      'é',
      'enter',
      'backspace',
    ]);
    expect(keysOf('\u001b')).toEqual(['escape']);
    expect(keysOf('\u001b[200~x\u0001')).toEqual(['x']);
  });

  it('quit', () => {
    for (const key of ['q', 'ctrl-c', 'escape']) expect(press(key).quit).toBe(true);
    expect(press('/', 'ctrl-c').quit, 'also while typing').toBe(true);
    expect(press('h', 'q').quit, 'also in the help').toBe(true);
  });

  it('a filter takes letters that are keys otherwise', () => {
    expect(press('/', 'q', 'p', 'enter')).toMatchObject({ filter: 'qp', typing: false, quit: false, paused: false });
    expect(press('/', 'a', 'b', 'backspace').filter).toBe('a');
    expect(press('/', 'a', 'escape')).toMatchObject({ filter: '', typing: false, quit: false });
    expect(press('/', 'a', 'enter', 'escape')).toMatchObject({ filter: '', quit: false });
  });

  it('sort, device, pause, interval, scroll', () => {
    expect(press('s').sort).toBe('memory');
    expect(SORTS.reduce((state) => pressed(state, 's', []), INITIAL).sort).toBe('engine');
    expect(press('C', 'S')).toMatchObject({ sort: 'submissions', reverse: true });
    expect([press('d').device, press('d', 'd').device, press('d', 'd', 'd').device]).toEqual([0, 1, null]);
    expect([press('1').device, press('1', '1').device, press('7').device]).toEqual([1, null, null]);
    expect([press('p').paused, press('p', ' ').paused]).toEqual([true, false]);
    expect([press('+').intervalMs, press('-').intervalMs]).toEqual([2000, 500]);
    expect(press(...Array.from({ length: 20 }, () => '-')).intervalMs).toBe(100);
    expect([press('up').scroll, press('down', 'down', 'up').scroll, press('page-down').scroll]).toEqual([0, 1, 10]);
    expect([press('h').help, press('h', 'x').help, press('i').idle]).toEqual([true, false, true]);
    expect(press('Z')).toEqual(INITIAL);
  });

  it('the help has a line for each', () => {
    expect(KEYS.length).toBeGreaterThanOrEqual(11);
  });

  it('order and filter of the clients', () => {
    const pids = (state: Partial<TopState>) =>
      chosenClients(document(), { ...INITIAL, ...state }).map(({ pid }) => pid);
    expect(pids({})).toEqual([4711, 4712]);
    expect(pids({ sort: 'submissions' })).toEqual([4712, 4711]);
    expect(pids({ sort: 'memory', reverse: true })).toEqual([4712, 4711]);
    expect(pids({ filter: 'PROGRAM-1' })).toEqual([4712]);
    expect(pids({ filter: '4711' })).toEqual([4711]);
    expect(pids({ device: 1 })).toEqual([]);
  });
});

describe('plain lines', () => {
  it('one for each device, engine and client, each with the time', () => {
    expect(plainLines(document(), INITIAL).split('\n')).toEqual([
      't=7.000 device 0, operational, hbm 1 GiB of 4 GiB, 12.3k cs/s, dma 3 GiB/s, 0 blocked',
      't=7.000 engine 0 TPC0: busy 50.0%, sync 25.0%, memory 12.5%',
      't=7.000 client 4711 program-0 device 0 asid 11: busy 50.0%, sync 25.0%, memory 12.5%, hbm 1 GiB, 100 cs/s, 0 in flight',
      't=7.000 client 4712 program-1 device 0 asid 12: busy 0.0%, sync 0.0%, memory 0.0%, hbm 512 MiB, 200 cs/s, 1 in flight',
    ]);
  });
});
