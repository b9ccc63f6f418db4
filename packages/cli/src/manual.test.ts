/** The manual page, as text; and as man sees it, where there is one that checks. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { COMMAND_GROUPS, COMMANDS } from './commands/all.js';
import { renderManual } from './manual.js';

const page = renderManual(COMMAND_GROUPS);

describe('manual page', () => {
  it('has every group, command, option and example', () => {
    for (const { title } of COMMAND_GROUPS) expect(page).toContain(`.SH ${title.toUpperCase()}\n`);
    for (const { name, options, example } of COMMANDS) {
      const section = page.split(`.SS \\fBpedrera ${name}\\fR`)[1]?.split(/\n\.S[SH] /)[0] ?? '';
      for (const { summary } of Object.values(options)) {
        expect(section.replaceAll('\n', ' ')).toContain(summary.replaceAll('\\', '\\e').replaceAll('-', '\\-'));
      }
      expect(section).toContain(`$ ${example.line.replaceAll('\\', '\\e').replaceAll('-', '\\-')}\n`);
    }
  });

  it('names every exit code', () => {
    for (const code of [0, 1, 2, 3, 130]) expect(page).toContain(`.TP\n\\fB${code}\\fR\n`);
  });

  it('has no line that man could take for a request by accident', () => {
    const requests = new Set(['TH', 'SH', 'SS', 'B', 'I', 'RI', 'TP', 'P', 'nf', 'fi', 'RS', 'RE', '\\"']);
    for (const line of page.split('\n').filter((text) => /^[.']/.test(text))) {
      expect(requests).toContain(/^\.(\S+)/.exec(line)?.[1]);
    }
    expect(page).not.toMatch(/^'/m);
  });

  const { error } = spawnSync('mandoc', ['-T', 'lint'], { input: page });
  it.skipIf(error !== undefined)('mandoc finds nothing wrong with it', () => {
    const { stdout } = spawnSync('mandoc', ['-T', 'lint', '-W', 'warning'], { input: page, encoding: 'utf8' });
    // A date would make a generated file stale without a change.
    expect(stdout.split('\n').filter((line) => !/missing date|^$/.test(line))).toEqual([]);
  });
});
