/** Which descriptor of a replay stands for which of the recording. */
import type { CallRecord } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { Descriptors } from './replay-descriptors.js';

function call(name: string, req: object, res: object = {}): CallRecord {
  return { client: 1, call: name, req, res } as CallRecord;
}

describe('descriptors', () => {
  it('have the numbers that this run gave them', () => {
    const descriptors = new Descriptors();
    descriptors.answered(call('DMABUF_RECEIVE', {}, { fd: 1 }), undefined);
    descriptors.answered(call('MEMORY_EXPORT_DMABUF_FD', {}, { fd: 2 }), { fd: 1 });
    expect(descriptors.translated({ client: 1 }, { fd: 2, offset: 5 })).toEqual({ fd: 1, offset: 5 });
    expect(descriptors.translated({ client: 1 }, { fd: 2, syncFile: 1 })).toBeUndefined();
    expect(descriptors.translated({ client: 2 }, { fd: 2 })).toEqual({ fd: 2 });
  });

  it('of a call that was left out are missed until the number is used again', () => {
    const descriptors = new Descriptors();
    descriptors.answered(call('DMABUF_RECEIVE', {}, { fd: 1 }), undefined);
    expect(descriptors.translated({ client: 1 }, { fd: 1 })).toBeUndefined();
    descriptors.answered(call('DMABUF_CLOSE', { fd: 1 }), undefined);
    // One that nobody has is asked for as it was.
    expect(descriptors.translated({ client: 1 }, { fd: 1 })).toEqual({ fd: 1 });
  });
});
