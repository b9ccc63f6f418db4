/** That the rendered document is whole. Whether the committed one is fresh is a step of the check. */
import { describe, expect, it } from 'vitest';
import { renderUapiMarkdown } from './docs.js';
import { ENTRIES } from './table.js';

describe('docs/uapi.md', () => {
  const text = renderUapiMarkdown();

  it('has a section for every call, with its text and a line for every cause of failure', () => {
    for (const { name, doc, errors } of ENTRIES) {
      expect(text.split('\n')).toContain(`### ${name}`);
      expect(text).toContain(doc);
      for (const { errno, id, when } of errors) expect(text).toContain(`| ${errno} | \`${id}\` | ${when}`);
    }
  });

  it('says where a field lies in C', () => {
    expect(text).toContain('| `size` | u32 | `cb_size` |');
    expect(text).toContain('`chunks_execute` -> struct hl_cs_chunk[`num_chunks_execute`]');
    expect(text).toContain('| 4 | HL_IOCTL_WAIT_CS | union hl_wait_cs_args | 56 / 0xc0384804 | 24 / 0xc0184804 |');
  });

  it('is the same every time and ends with one newline', () => {
    expect(renderUapiMarkdown()).toBe(text);
    expect(text).toMatch(/[^\n]\n$/);
  });

  it('tables are well formed', () => {
    for (const block of text
      .trimEnd()
      .split('\n\n')
      .filter((part) => part.startsWith('|'))) {
      const columns = block.split('\n').map((line) => line.replaceAll('\\|', '').split('|').length);
      expect(new Set(columns).size, block).toBe(1);
    }
  });
});
