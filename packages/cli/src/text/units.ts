/**
 * Sizes, times and rates as people read them. Pure; knows no command.
 */

const SIZE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** Three significant digits: `512 B`, `1.50 KiB`, `699 KiB`, `4 MiB` when it is exact. */
export function formatSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < SIZE_UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number.isInteger(value) ? value : threeDigits(value)} ${SIZE_UNITS[unit]}`;
}

export function formatRate(bytes: number, milliseconds: number): string {
  if (milliseconds <= 0) return '-';
  return `${formatSize((bytes * 1000) / milliseconds)}/s`;
}

function threeDigits(value: number): string {
  return value >= 999.5 ? value.toFixed(0) : value.toPrecision(3);
}

/** `0.4 ms`, `350 ms`, `1.2 s`, `2m03s`, `1h05m`, `3d04h`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 9.95) return `${milliseconds.toFixed(1)} ms`;
  if (milliseconds < 999.5) return `${milliseconds.toFixed(0)} ms`;
  if (milliseconds < 59_950) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.floor(milliseconds / 1000);
  const two = (value: number) => String(value).padStart(2, '0');
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)}h${two(minutes % 60)}m`;
  const hours = Math.floor(minutes / 60);
  return `${Math.floor(hours / 24)}d${two(hours % 24)}h`;
}

/** 715758 as `715,758`. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `0`, `950`, `12.3k`, `4.5M`. */
export function formatNumber(value: number): string {
  if (value < 9.95) return value === 0 ? '0' : value.toFixed(1);
  if (value < 999.5) return value.toFixed(0);
  const units = ['k', 'M', 'G'];
  let scaled = value / 1000;
  let unit = 0;
  while (scaled >= 999.5 && unit < units.length - 1) {
    scaled /= 1000;
    unit++;
  }
  return `${scaled.toPrecision(3)}${units[unit]}`;
}

export function formatHex(value: number): string {
  return `0x${value.toString(16)}`;
}

/** For a cell of a table. */
export function orDash(value: number | null | undefined): string {
  return value == null ? '-' : String(value);
}

/** `1 chunk`, `12 chunks`. */
export function plural(count: number, noun: string, nouns = `${noun}s`): string {
  return `${formatCount(count)} ${count === 1 ? noun : nouns}`;
}
