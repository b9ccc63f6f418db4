/** From the command line to a call, and what is said of command lines that make no sense. */
import { describe, expect, it } from 'vitest';
import { COMMAND_GROUPS, COMMANDS } from './commands/all.js';
import { CliError, EXIT } from './exit.js';
import { type Call, parseCommandLine } from './program.js';

function parse(line: string): { call: Call | number; printed: string } {
  let printed = '';
  const argv = line.split(' ').filter((word) => word !== '');
  const writeOut = (text: string) => {
    printed += text;
  };
  return { call: parseCommandLine(argv, { groups: COMMAND_GROUPS, version: '1.2.3', writeOut }), printed };
}

function callOf(line: string): Call {
  const { call } = parse(line);
  if (typeof call === 'number') throw new Error('only help was asked for');
  return call;
}

function errorOf(line: string): CliError {
  try {
    parse(line);
  } catch (error) {
    if (error instanceof CliError) return error;
    throw error;
  }
  throw new Error(`${line} is accepted`);
}

describe('calls', () => {
  it('defaults', () => {
    expect(callOf('daemon').options).toMatchObject({
      devices: 4,
      policy: 'shared',
      logLevel: 'info',
      logFile: undefined,
    });
    expect(callOf('queues').options).toEqual({
      device: undefined,
      pid: undefined,
      state: 'any',
      ring: undefined,
      sort: 'queue',
      limit: undefined,
      json: false,
      watch: false,
      interval: 500,
      all: false,
    });
    expect(callOf('demo').args).toEqual([]);
  });

  it('values', () => {
    const daemon = callOf('daemon --devices 16 --policy exclusive --log-level debug --log-file f.log');
    expect(daemon.options).toMatchObject({ devices: 16, policy: 'exclusive', logLevel: 'debug', logFile: 'f.log' });
    const demo = callOf('demo some.file --devices 3');
    expect(demo).toMatchObject({ args: ['some.file'], options: { devices: 3 } });
  });

  it('what the devices are like', () => {
    const nothing = { timeout: undefined, nicPorts: undefined, killOnReset: false, noResetOnLockup: false };
    expect(callOf('start').options).toMatchObject(nothing);
    const { options } = callOf('start --timeout 0 --nic-ports 0x3ff --kill-on-reset --no-reset-on-lockup');
    expect(options).toMatchObject({ timeout: 0, nicPorts: 0x3ff, killOnReset: true, noResetOnLockup: true });
    expect(options).toMatchObject({ noResetOnEvents: false, heartbeat: undefined });
  });

  it('inject', () => {
    const { args, options } = callOf('inject event 204 --value 0x8000 --device 1');
    expect({ args, options }).toMatchObject({ args: ['event', '204'], options: { value: 0x8000, device: 1 } });
  });

  it('--socket before and after the command', () => {
    expect(callOf('--socket /a queues').socket).toBe('/a');
    expect(callOf('queues --socket /b --all').socket).toBe('/b');
    expect(callOf('queues').socket).toBeUndefined();
  });

  it('options of one command leave the next call alone', () => {
    expect(callOf('queues --all').options.all).toBe(true);
    expect(callOf('queues').options.all).toBe(false);
  });
});

describe('usage errors', () => {
  it.each([
    ['queus', "unknown command 'queus' (did you mean queues?)", 'see: pedrera --help'],
    ['queues --wath', "unknown option '--wath' (did you mean --watch?)", 'see: pedrera queues --help'],
    ['queues --device', "option '--device <n>' argument missing", 'see: pedrera queues --help'],
    ['ps extra', "too many arguments for 'ps'. Expected 0 arguments but got 1.", 'see: pedrera ps --help'],
    ['daemon --devices 0', "--devices '0': expected a whole number from 1 to 16", undefined],
    ['daemon --devices 17', "--devices '17': expected a whole number from 1 to 16", undefined],
    ['daemon --devices 1e1', "--devices '1e1': expected a whole number from 1 to 16", undefined],
    ['demo --devices 1', "--devices '1': expected a whole number from 2 to 16", undefined],
    [
      'daemon --nic-ports 0x400',
      "--nic-ports '0x400': expected a whole number from 0 to 1023, decimal or with 0x",
      undefined,
    ],
    ['inject', "missing required argument 'kind'", 'see: pedrera inject --help'],
    ['ps --socket=', "--socket '': expected a path", undefined],
    ['daemon --policy open', "--policy 'open': expected one of shared, exclusive", undefined],
  ])('%s', (line, message, hint) => {
    const error = errorOf(line);
    expect(error.exitCode).toBe(EXIT.usage);
    expect(error.message).toBe(message);
    expect(error.hint).toBe(hint);
  });

  it('no command at all', () => {
    const error = errorOf('');
    expect(error.message).toBe('no command given');
    expect(error.hint).toContain('Usage: pedrera [options] <command>');
  });
});

describe('help', () => {
  it('lists every command with its summary', () => {
    const { call, printed } = parse('--help');
    expect(call).toBe(EXIT.ok);
    for (const { name, summary } of COMMANDS)
      expect(printed).toMatch(new RegExp(`\\n  ${name}.* ${summary.slice(0, 20)}`));
  });

  it.each(COMMANDS.map((command) => command.name))('%s: usage, options and an example', (name) => {
    const { printed } = parse(`${name} --help`);
    expect(printed).toContain(`Usage: pedrera ${name}`);
    expect(printed).toContain('--socket <path>');
    expect(printed).toContain(`Example:\n  $ pedrera ${name}`);
    expect(Math.max(...printed.split('\n').map((line) => line.length))).toBeLessThanOrEqual(120);
  });

  it('groups what belongs together', () => {
    const { printed } = parse('--help');
    for (const { title, commands } of COMMAND_GROUPS) {
      const section = printed.split(`\n${title}:\n`)[1]?.split('\n\n')[0] ?? '';
      for (const { name } of commands) expect(section).toMatch(new RegExp(`^ {2}${name} `, 'm'));
    }
    expect(new Set(COMMANDS.map(({ name }) => name)).size).toBe(COMMANDS.length);
  });

  it('one letter for an option where another tool has it', () => {
    expect(parse('smi --help').printed).toContain('-Q, --query-aip <fields>');
    const { options } = callOf('smi -Q index,name -f csv,noheader -i 1 -l 2');
    expect(options).toMatchObject({ queryAip: 'index,name', format: 'csv,noheader', id: '1', loop: 2, watch: false });
  });

  it('the same by way of "help"', () => {
    expect(parse('help queues').printed).toBe(parse('queues --help').printed);
  });

  it('version', () => {
    expect(parse('--version')).toEqual({ call: EXIT.ok, printed: 'pedrera 1.2.3\n' });
  });
});
