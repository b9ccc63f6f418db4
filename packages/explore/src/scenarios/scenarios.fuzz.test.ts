/**
 * Every scenario under some hundred schedules, and that they show what they are about: each race has to be seen with more
 * than one outcome.
 */
import { describe, expect, it } from 'vitest';
import { explore } from '../explore.js';
import { renderExploration } from '../report.js';
import { SCENARIOS } from './all.js';

const RUNS = 250;

/** Outcomes that have to occur, by scenario. */
const BOTH_WAYS: Readonly<Record<string, readonly string[]>> = {
  'export-close': ['DMABUF_IMPORT', 'DMABUF_IMPORT ENOENT'],
  'import-free': ['DMABUF_IMPORT', 'DMABUF_IMPORT ENOENT', 'MEMORY_FREE', 'MEMORY_FREE EINVAL'],
  'export-twice': ['DMABUF_IMPORT', 'DMABUF_IMPORT ENOENT'],
  'import-reset': ['DMABUF_IMPORT', 'DMABUF_IMPORT EBUSY', 'CS', 'WAIT_CS', 'WAIT_CS EIO'],
  'token-death': ['DMABUF_IMPORT', 'DMABUF_IMPORT ENOENT'],
  'attach-reset': ['DMABUF_ATTACH', 'DMABUF_ATTACH EBUSY', 'DMABUF_MAP', 'DMABUF_MAP EBUSY', 'DMABUF_OPEN ENOENT'],
  'token-once': ['DMABUF_OPEN', 'DMABUF_OPEN ENOENT', 'DMABUF_IMPORT', 'DMABUF_IMPORT ENOENT'],
  'map-detach': ['DMABUF_UNMAP', 'DMABUF_UNMAP EINVAL', 'MEMORY_UNMAP EINVAL', 'DMABUF_DETACH', 'DMABUF_DETACH EBUSY'],
  'peer-close': ['DMABUF_IMPORT', 'DMABUF_IMPORT ENOENT'],
  'submit-timeout': ['WAIT_CS', 'WAIT_CS ETIMEDOUT'],
  'hang-reset': ['WAIT_CS', 'WAIT_CS ETIMEDOUT', 'WAIT_CS EIO'],
  'unmap-dma': ['WAIT_CS', 'WAIT_CS EIO', 'MEMORY_FREE', 'MEMORY_FREE EINVAL'],
  'staged-reset': ['CS', 'CS EBUSY', 'WAIT_CS', 'WAIT_CS EIO'],
  'multi-wait-reset': ['CS EBUSY', 'WAIT_CS', 'WAIT_CS EIO'],
  'revoke-wait': ['WAIT_CS', 'WAIT_CS EIO', 'WAIT_CS EBUSY'],
  'reopen-exclusive': ['OPEN', 'OPEN EBUSY', 'OPEN EAGAIN'],
  'open-reset': ['OPEN', 'OPEN EAGAIN', 'CS', 'CS EBUSY'],
  'reserve-signal': ['CS', 'CS EINVAL'],
  'fence-death': ['DMABUF_OPEN', 'DMABUF_OPEN ENOENT', 'fence 1', 'fence -5'],
  'merge-fail': ['fence 1', 'fence -5'],
  'fence-poll': ['poll: IN', 'poll: nothing', 'DESCRIPTOR_POLL EBADF'],
  'fence-import': ['held', 'not held'],
  'fence-order': ['fence 1', 'fence -5', 'held'],
  'opposite-order': ['held', 'not held', 'left is seen', 'right is seen'],
  'wait-cycle': ['WAIT_CS ETIMEDOUT', 'held', 'freeing: done', 'freeing: ETIMEDOUT', 'first: done', 'first: BUSY'],
  'held-close': ['DMABUF_OPEN ENOENT', 'fence 1', 'fence -5', 'held', 'not held'],
  'held-reset': ['CS_SYNCED', 'CS_SYNCED EBUSY', 'WAIT_CS', 'WAIT_CS EIO', 'fence 1', 'fence -5'],
  'held-timeout': ['WAIT_CS', 'WAIT_CS ETIMEDOUT', 'fence 1', 'fence -110', 'held', 'not held'],
  'held-queue': ['held', 'not held'],
  'encaps-reset': ['CS', 'CS EBUSY', 'WAIT_CS', 'WAIT_CS EIO'],
};

describe.each(SCENARIOS)('$name', (scenario) => {
  it('holds in any order, and is seen both ways', async () => {
    const found = await explore({ scenario, seed: 1, runs: RUNS });
    expect(found.failure === undefined ? '' : renderExploration(found)).toBe('');
    for (const outcome of BOTH_WAYS[scenario.name] ?? []) {
      expect(found.answers, outcome).toHaveProperty([outcome]);
    }
  });
});
