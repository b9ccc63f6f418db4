/** How an error reads, and that its stack survives being attributed to a call. */
import { describe, expect, it } from 'vitest';
import { errno, HlError } from './hl-error.js';

describe('HlError', () => {
  it('spells code, detail and ioctl', () => {
    expect(errno('ENOENT').message).toBe('ENOENT');
    expect(errno('ENOENT', 'command buffer 7').message).toBe('ENOENT: command buffer 7');
    expect(new HlError('EBUSY', undefined, 'CS').message).toBe('CS: EBUSY');
    expect(new HlError('EBUSY', 'in reset', 'CS').message).toBe('CS: EBUSY (in reset)');
  });

  it('carries the number and leaves absent fields absent', () => {
    const error = errno('EINVAL');
    expect(error.errno).toBe(22);
    expect('detail' in error).toBe(false);
    expect('ioctl' in error).toBe(false);
    expect(error).toBeInstanceOf(Error);
  });

  it('withIoctl keeps the stack of where it arose', () => {
    function whereItArose(): HlError {
      return errno('EFAULT', 'address 0');
    }
    const named = whereItArose().withIoctl('MEMORY_MAP_HOST');
    expect(named.ioctl).toBe('MEMORY_MAP_HOST');
    expect(named.message).toBe('MEMORY_MAP_HOST: EFAULT (address 0)');
    expect(named.stack).toContain('whereItArose');
    expect(named.stack?.split('\n')[0]).toBe('HlError: MEMORY_MAP_HOST: EFAULT (address 0)');
    expect(named.withIoctl('MEMORY_MAP_HOST')).toBe(named);
  });
});
