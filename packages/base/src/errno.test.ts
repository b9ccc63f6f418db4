/** Numbers against the platform, and that none lacks its meaning. */
import { constants } from 'node:os';
import { describe, expect, it } from 'vitest';
import { ERRNO, ERRNO_MEANING, type ErrnoCode, errnoCode } from './errno.js';

describe('errno', () => {
  const codes = Object.keys(ERRNO) as ErrnoCode[];

  it.skipIf(process.platform !== 'linux')("numbers are the platform's own", () => {
    const own = constants.errno as Readonly<Record<string, number>>;
    for (const code of codes) if (own[code] !== undefined) expect(ERRNO[code], code).toBe(own[code]);
  });

  it('every code has one sentence of meaning', () => {
    for (const code of codes) expect(ERRNO_MEANING[code], code).toMatch(/^[A-Z].*\.$/);
    expect(Object.keys(ERRNO_MEANING).sort()).toEqual([...codes].sort());
  });

  it('numbers lead back to names', () => {
    for (const code of codes) expect(errnoCode(ERRNO[code])).toBe(code);
    expect(errnoCode(0)).toBeUndefined();
    expect(errnoCode(-22)).toBeUndefined();
  });
});
