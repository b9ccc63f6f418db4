/** Transcripts of two runs are told apart by what happened, not by when or to which pid. */
import { describe, expect, it } from 'vitest';
import { transcriptsIn, withTranscripts } from './document.js';
import { PidNames, withoutVarying } from './transcript.js';

describe('names of pids', () => {
  const names = new PidNames();
  names.learn('camera  pid 23582  device 0\nviewer  pid 23584  device 1\n');

  it('in sentences and in columns, which stay columns', () => {
    expect(names.replaceIn('held by pid 23584, not 235840')).toBe('held by pid 4712, not 235840');
    expect(names.replaceIn('  PID  NODE\n23582  hl0\n0    23584  x')).toBe('  PID  NODE\n 4711  hl0\n0     4712  x');
  });

  it('a size that happens to be the same number is none', () => {
    const small = new PidNames();
    small.learn('pid 64');
    expect(small.replaceIn('64 KiB, 64 ms, 64.5 %, pid 64')).toBe('64 KiB, 64 ms, 64.5 %, pid 4711');
  });
});

describe('what varies', () => {
  it.each([
    ['queued 1.5 s, 806 ms old, time-out in 9m59s', 'queued 12 s, 1.1 s old, time-out in 10m00s'],
    ['23:51:23.254 error   fault', '00:00:00.001 error fault'],
    ['  0.000123  move <0.000010>', '  1.000000  move <0.200000>'],
    ['waits for DMA_0_0 (device\n0)', 'waits for DMA_0_0\n(device 0)'],
  ])('%s', (one, other) => {
    expect(withoutVarying(one)).toBe(withoutVarying(other));
  });

  it('values do not', () => {
    expect(withoutVarying('SOB E_N 8 is 0, 4 MiB')).not.toBe(withoutVarying('SOB E_N 8 is 1, 4 MiB'));
  });
});

describe('the document', () => {
  const document = [
    '# D',
    '```',
    '$ before',
    '```',
    '<!-- tour: a -->',
    '```',
    '$ one',
    'old',
    '```',
    'prose',
    '```ts',
    'no transcript',
    '```',
    '```',
    '$ two',
    '```',
    '## Next',
    '<!-- tour: b -->',
    '```',
    '$ three',
    '```',
  ].join('\n');

  it('has transcripts by tour', () => {
    expect(transcriptsIn(document, 'a')).toEqual(['$ one\nold', '$ two']);
    expect(transcriptsIn(document, 'b')).toEqual(['$ three']);
    expect(transcriptsIn(document, 'c')).toEqual([]);
  });

  it('gets others in their places, and nothing else changes', () => {
    const changed = withTranscripts(document, 'a', ['$ one\nnew\nnew', '$ two\n2']);
    expect(transcriptsIn(changed, 'a')).toEqual(['$ one\nnew\nnew', '$ two\n2']);
    expect(withTranscripts(changed, 'a', ['$ one\nold', '$ two'])).toBe(document);
  });
});
