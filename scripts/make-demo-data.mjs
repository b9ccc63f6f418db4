/**
 * Draws docs/demo/quarry.png, the file that `pedrera demo` moves when none is named: an open quarry ("pedrera" in Catalan),
 * cut in benches around a pond. Everything follows from a seed, so the pixels never change; run it only to change the picture.
 *
 *   node scripts/make-demo-data.mjs [OUT.png]
 */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32, deflateSync } from 'node:zlib';

const WIDTH = 1024;
const HEIGHT = 576;
const MAP = 2048; // cells along each side of the height map
const ORIGIN = -0.25; // of the map, and
const SPAN = 1.5; // its side, in units of the land
const SEED = 1906; // the year the works of Casa Mila, "la Pedrera", began

// ---- noise -------------------------------------------------------------------------------------------------------------

/** @type {(x: number, y: number) => number} */
function hash(x, y) {
  let h = Math.imul(x, 374761393) + Math.imul(y, 668265263) + Math.imul(SEED, 2246822519);
  h = Math.imul(h ^ (h >>> 13), 1274126177);
  h = Math.imul(h ^ (h >>> 16), 2246822519);
  return ((h ^ (h >>> 15)) >>> 0) / 4294967296;
}

/** @typedef {[number, number, number]} Triple a colour (0 to 255) or a direction */

/** @type {(t: number) => number} */
const smooth = (t) => t * t * (3 - 2 * t);
/** @type {(a: number, b: number, t: number) => number} */
const mix = (a, b, t) => a + (b - a) * t;
/** @type {(v: number, low: number, high: number) => number} */
const clamp = (v, low, high) => Math.min(high, Math.max(low, v));
/** @type {(low: number, high: number, v: number) => number} */
const step = (low, high, v) => smooth(clamp((v - low) / (high - low), 0, 1));

/** @type {(x: number, y: number) => number} */
function noise(x, y) {
  const xi = Math.floor(x);
  const yi = Math.floor(y);
  const u = smooth(x - xi);
  const v = smooth(y - yi);
  return mix(mix(hash(xi, yi), hash(xi + 1, yi), u), mix(hash(xi, yi + 1), hash(xi + 1, yi + 1), u), v);
}

/** @type {(x: number, y: number, octaves: number) => number} */
function fbm(x, y, octaves) {
  let sum = 0;
  let weight = 0.5;
  for (let i = 0; i < octaves; i++) {
    sum += weight * noise(x, y);
    x = x * 2.03 + 17.1;
    y = y * 2.03 - 9.7;
    weight *= 0.5;
  }
  return sum / (1 - 2 * weight);
}

// ---- the land: x to the right, y away from the viewer, the quarry around (0.5, 0.47); heights in the same unit ---------------------------------

const BENCH = 0.034; // height of one bench
const TREAD = 0.05; // depth of one bench
const FLOOR = 0.02;
const POND = 0.029;
const PIT = 0.11; // radius of the floor

/**
 * How far outside the floor a place is: rounded squares, bent a little, so that benches look sawn and not turned on a lathe.
 *
 * @type {(x: number, y: number) => number}
 */
function pitDistance(x, y) {
  const bend = 0.045 * (fbm(x * 4 + 3, y * 4, 3) - 0.5);
  const dx = Math.abs(x - 0.5) / 1.45;
  const dy = Math.abs(y - 0.47) / 0.95;
  const power = 3.2;
  return (dx ** power + dy ** power) ** (1 / power) + bend - PIT;
}

/** @type {(x: number, y: number) => number} */
function hills(x, y) {
  const rise = 0.1 + 0.15 * step(0.25, 1, y) + 0.1 * Math.abs(x - 0.5);
  return rise + 0.16 * (fbm(x * 3.1, y * 3.1 + 5, 6) - 0.5);
}

/** @type {(x: number, y: number) => number} */
function land(x, y) {
  const natural = hills(x, y);
  const distance = pitDistance(x, y);
  if (distance <= 0) return Math.min(natural, FLOOR + 0.012 * fbm(x * 9, y * 9, 3));
  const exact = distance / TREAD;
  const bench = Math.floor(exact);
  const ramp = step(0.66, 0.7, x) * (1 - step(0.76, 0.8, x)) * (1 - step(0.5, 0.56, y)); // the way in, on the right
  const cut = FLOOR + BENCH * (bench + 1) + 0.002 * noise(x * 60, y * 60);
  const slope = FLOOR + BENCH * exact;
  return Math.min(natural, mix(cut, slope, ramp));
}

const CELL = SPAN / MAP;
/** @type {(v: number) => number} */
const cellOf = (v) => clamp(Math.round((v - ORIGIN) / CELL), 0, MAP - 1);
const heights = new Float32Array(MAP * MAP);
/** @type {(cell: number) => number} */
const heightOf = (cell) => heights[cell] ?? 0;
const cutBlock = new Uint8Array(MAP * MAP); // a loose block of stone lies here

function buildLand() {
  for (let j = 0; j < MAP; j++) {
    for (let i = 0; i < MAP; i++) heights[j * MAP + i] = land(ORIGIN + i * CELL, ORIGIN + j * CELL);
  }
  // Sawn blocks, stacked on benches and on the floor.
  for (let n = 0; n < 260; n++) {
    const x = 0.2 + 0.6 * hash(n, 1);
    const y = 0.22 + 0.5 * hash(n, 2);
    const distance = pitDistance(x, y);
    const inTread = (distance / TREAD) % 1;
    if (distance > 4.6 * TREAD || (distance > 0 && (inTread < 0.25 || inTread > 0.72))) continue;
    const w = 0.006 + 0.008 * hash(n, 3);
    const d = 0.005 + 0.006 * hash(n, 4);
    const top = heightAt(x, y) + 0.007 + 0.007 * hash(n, 5);
    if (heightAt(x, y) < POND) continue;
    for (let j = cellOf(y); j < cellOf(y + d); j++) {
      for (let i = cellOf(x); i < cellOf(x + w); i++) {
        heights[j * MAP + i] = Math.max(heightOf(j * MAP + i), top);
        cutBlock[j * MAP + i] = 1 + (n % 7);
      }
    }
  }
}

/** @type {(x: number, y: number) => number} */
function heightAt(x, y) {
  const fx = clamp((x - ORIGIN) / CELL, 0, MAP - 2);
  const fy = clamp((y - ORIGIN) / CELL, 0, MAP - 2);
  const i = Math.floor(fx);
  const j = Math.floor(fy);
  const at = j * MAP + i;
  const u = fx - i;
  const v = fy - j;
  return mix(mix(heightOf(at), heightOf(at + 1), u), mix(heightOf(at + MAP), heightOf(at + MAP + 1), u), v);
}

// ---- light -------------------------------------------------------------------------------------------------------------

/** @type {(v: Triple) => Triple} */
const normalise = ([x, y, z]) => {
  const length = Math.hypot(x, y, z);
  return [x / length, y / length, z / length];
};
const SUN = normalise([-0.62, -0.34, 0.62]);

/** @type {(x: number, y: number, h: number) => number} */
function sunlight(x, y, h) {
  let light = 1;
  for (let t = 0.003; t < 0.5; t *= 1.09) {
    const above = h + SUN[2] * t - heightAt(x + SUN[0] * t, y + SUN[1] * t);
    if (above < 0) return 0;
    light = Math.min(light, (18 * above) / t + 0.25);
  }
  return clamp(light, 0, 1);
}

/**
 * Share of the sky a place sees, from sixteen directions.
 *
 * @type {(x: number, y: number, h: number) => number}
 */
function skylight(x, y, h) {
  let open = 0;
  for (let k = 0; k < 16; k++) {
    const angle = (k / 16) * 2 * Math.PI;
    let horizon = 0;
    for (let t = 0.006; t < 0.12; t *= 1.7) {
      horizon = Math.max(horizon, (heightAt(x + Math.cos(angle) * t, y + Math.sin(angle) * t) - h) / t);
    }
    open += 1 / (1 + horizon * horizon);
  }
  return open / 16;
}

// ---- colour ------------------------------------------------------------------------------------------------------------

/** @type {(a: Triple, b: Triple, t: number) => Triple} */
const blend = (a, b, t) => [mix(a[0], b[0], t), mix(a[1], b[1], t), mix(a[2], b[2], t)];
/** @type {(c: Triple, k: number) => Triple} */
const shade = (c, k) => [c[0] * k, c[1] * k, c[2] * k];
/** @type {Triple[]} */
const STRATA = [
  [214, 186, 140],
  [198, 160, 112],
  [226, 205, 166],
  [182, 142, 100],
  [219, 194, 152],
];

/** @type {(layer: number) => Triple} */
const stratum = (layer) => STRATA[layer % STRATA.length] ?? [0, 0, 0];

/** @type {(x: number, y: number, h: number) => Triple} */
function stone(x, y, h) {
  const layer = h * 95 + 1.6 * fbm(x * 7, y * 7, 3);
  const low = Math.floor(layer);
  const band = blend(stratum(low), stratum(low + 1), step(0.55, 0.95, layer - low));
  const drill = 0.9 + 0.1 * noise((x + y) * 420, h * 18); // the marks the drill left, top to bottom
  const grain = 0.86 + 0.28 * noise(x * 900, (y + h) * 900);
  return shade(band, drill * grain);
}

/** @type {(x: number, y: number) => Triple} */
function scrub(x, y) {
  const bush = fbm(x * 60, y * 60, 4);
  const ground = blend([166, 148, 96], [120, 122, 66], step(0.35, 0.65, fbm(x * 9, y * 9, 4)));
  return shade(blend(ground, [58, 74, 38], step(0.5, 0.62, bush)), 0.8 + 0.4 * noise(x * 700, y * 700));
}

/** @type {(x: number, y: number, h: number) => Triple} */
function surface(x, y, h) {
  const e = CELL;
  const normal = normalise([heightAt(x - e, y) - heightAt(x + e, y), heightAt(x, y - e) - heightAt(x, y + e), 2 * e]);
  const inside = pitDistance(x, y) < 0.002 + TREAD * 5.2 && h < hills(x, y) - 0.002;
  const block = cutBlock[cellOf(y) * MAP + cellOf(x)] ?? 0;
  /** @type {Triple} */
  let colour;
  if (block) colour = blend(stone(x, y, h), [236, 222, 192], 0.35 + 0.05 * block);
  else if (inside) {
    const dust = shade([226, 210, 176], 0.84 + 0.3 * fbm(x * 240, y * 240, 3));
    colour = blend(stone(x, y, h), dust, step(0.6, 0.9, normal[2]));
  } else colour = blend(stone(x, y, h), scrub(x, y), step(0.45, 0.72, normal[2]));
  const direct = Math.max(0, normal[0] * SUN[0] + normal[1] * SUN[1] + normal[2] * SUN[2]) * sunlight(x, y, h + 0.0008);
  const ambient = skylight(x, y, h);
  return [
    colour[0] * (1.12 * direct + 0.3 * ambient),
    colour[1] * (1.04 * direct + 0.34 * ambient),
    colour[2] * (0.9 * direct + 0.44 * ambient),
  ];
}

const HORIZON = -0.125;

/** @type {(dx: number, dz: number) => Triple} */
function sky(dx, dz) {
  const up = clamp(dz * 4, 0, 1);
  const clear = blend([236, 224, 204], [96, 150, 205], Math.sqrt(up));
  const cloud = step(0.5, 0.78, fbm(dx * 2.4 + 4, dz * 9, 6));
  return blend(clear, [250, 246, 238], 0.75 * cloud * step(0, 0.25, up + 0.1));
}

/** @type {(x: number, y: number, direction: Triple) => Triple} */
function pond(x, y, direction) {
  const ripple = 0.004 * (noise(x * 900, y * 260) - 0.5);
  const mirror = trace([x, y, POND + 0.0005], [direction[0] + ripple, direction[1], -direction[2] + ripple], false);
  const depth = clamp((POND - heightAt(x, y)) / 0.009, 0, 1);
  const water = blend([150, 196, 178], [34, 116, 128], depth);
  const glance = 0.18 + 0.6 * (1 - Math.abs(direction[2])) ** 3;
  return blend(shade(water, 0.5 + 0.5 * sunlight(x, y, POND)), mirror, clamp(glance, 0, 0.8));
}

/** @type {(from: Triple, direction: Triple, withWater: boolean) => Triple} */
function trace(from, direction, withWater) {
  const [x0, y0, z0] = from;
  const [dx, dy, dz] = direction;
  let t = 0.004;
  let last = t;
  while (t < 2) {
    const x = x0 + dx * t;
    const y = y0 + dy * t;
    const z = z0 + dz * t;
    if (y > ORIGIN + SPAN || x < ORIGIN || x > ORIGIN + SPAN || z > 0.75) break;
    if (y >= 0) {
      const ground = heightAt(x, y);
      if (withWater && z < POND && ground < POND) return pond(x, y, direction);
      if (z < ground) {
        let near = last;
        for (let k = 0; k < 10; k++) {
          const half = (near + t) / 2;
          if (z0 + dz * half < heightAt(x0 + dx * half, y0 + dy * half)) t = half;
          else near = half;
        }
        const hx = x0 + dx * t;
        const hy = y0 + dy * t;
        const haze = 1 - Math.exp(-0.42 * t * t);
        return blend(surface(hx, hy, heightAt(hx, hy)), [214, 212, 206], haze);
      }
      last = t;
      t += clamp((z - ground) * 0.35, 0.0006, 0.02);
    } else {
      last = t;
      t += 0.01;
    }
  }
  // Beyond the map: two ranges of hills in the haze.
  const far = HORIZON + 0.06 * fbm(dx * 3 + 9, 2, 5);
  const farther = HORIZON + 0.035 + 0.06 * fbm(dx * 2.2 + 31, 7, 5);
  if (dz < far) return [168, 178, 170];
  if (dz < farther) return [192, 200, 202];
  return sky(dx, dz - HORIZON);
}

// ---- picture -----------------------------------------------------------------------------------------------------------

/** @type {[number, number][]} */
const SAMPLES = [
  [0.25, 0.25],
  [0.75, 0.25],
  [0.25, 0.75],
  [0.75, 0.75],
];

function render() {
  /** @type {Triple} */
  const eye = [0.5, -0.2, 0.42];
  const tilt = -0.25;
  const field = 1.02;
  const pixels = new Uint8Array(WIDTH * HEIGHT * 3);
  for (let row = 0; row < HEIGHT; row++) {
    for (let column = 0; column < WIDTH; column++) {
      /** @type {Triple} */
      let sum = [0, 0, 0];
      for (const [sx, sy] of SAMPLES) {
        const u = ((column + sx) / WIDTH - 0.5) * field;
        const v = (0.5 - (row + sy) / HEIGHT) * field * (HEIGHT / WIDTH);
        const direction = normalise([u, Math.cos(tilt) - v * Math.sin(tilt), Math.sin(tilt) + v * Math.cos(tilt)]);
        const [r, g, b] = trace(eye, direction, true);
        sum = [sum[0] + r, sum[1] + g, sum[2] + b];
      }
      const tone = sum.map((c) => clamp(255 * (c / SAMPLES.length / 255) ** 0.92, 0, 255));
      pixels.set(tone, (row * WIDTH + column) * 3);
    }
  }
  return pixels;
}

/** @param {Uint8Array} pixels */
function png(pixels) {
  const rows = Buffer.alloc(HEIGHT * (1 + WIDTH * 3));
  for (let row = 0; row < HEIGHT; row++) {
    const at = row * (1 + WIDTH * 3);
    rows[at] = 1; // filter: difference to the pixel on the left
    for (let i = 0; i < WIDTH * 3; i++) {
      const left = i < 3 ? 0 : (pixels[row * WIDTH * 3 + i - 3] ?? 0);
      rows[at + 1 + i] = (pixels[row * WIDTH * 3 + i] ?? 0) - left;
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(WIDTH, 0);
  header.writeUInt32BE(HEIGHT, 4);
  header.set([8, 2, 0, 0, 0], 8);
  /** @param {string} name @param {Buffer} data */
  const chunk = (name, data) => {
    const body = Buffer.concat([Buffer.from(name, 'latin1'), data]);
    const out = Buffer.alloc(body.length + 8);
    out.writeUInt32BE(data.length, 0);
    body.copy(out, 4);
    out.writeUInt32BE(crc32(body), body.length + 4);
    return out;
  };
  const magic = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    magic,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

const out = process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), '..', 'docs', 'demo', 'quarry.png');
buildLand();
const file = png(render());
writeFileSync(out, file);
console.log(`${out}: ${WIDTH} x ${HEIGHT}, ${file.length} bytes`);
