/** Numbers as people read them. Owns nothing else. */
import type { Unit } from './report.js';

const STEPS: Readonly<Record<Unit, { readonly base: number; readonly names: readonly string[] }>> = {
  ns: { base: 1000, names: ['ns', 'us', 'ms', 's'] },
  bytes: { base: 1024, names: ['B', 'KiB', 'MiB', 'GiB'] },
  'bytes/s': { base: 1000, names: ['B/s', 'kB/s', 'MB/s', 'GB/s'] },
  '1/s': { base: 1000, names: ['/s', 'k/s', 'M/s', 'G/s'] },
};

export function formatValue(value: number, unit: Unit): string {
  const { base, names } = STEPS[unit];
  let scaled = value;
  let step = 0;
  while (Math.abs(scaled) >= base && step < names.length - 1) {
    scaled /= base;
    step += 1;
  }
  return `${digits(scaled)} ${names[step]}`;
}

/** Three significant digits; more before the point when there are. */
export function digits(value: number): string {
  const magnitude = Math.abs(value);
  if (magnitude >= 100 || value === 0) return value.toFixed(0);
  return value.toFixed(magnitude >= 10 ? 1 : 2);
}

/** A size that is a power of two or a small multiple: `64 KiB`. */
export function formatSize(bytes: number): string {
  return formatValue(bytes, 'bytes').replace(/\.0+(?= )/, '');
}
