/**
 * Every view over every state a daemon can be in: idle, in a reset, of another version, with a thousand clients, and not there. The
 * daemon is made up; what the views say of a real one is in inspect/*.proc.test.ts.
 */
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from './exit.js';
import { CommandRunner } from './testing/command-runner.js';
import type { CommandReply } from './testing/command-server.js';
import { crowd, crowdClients, crowdDaemon, FIRST_PID, RING } from './testing/crowd.js';
import { type FakeDaemon, type OtherVersion, startFakeDaemon } from './testing/fake-daemon.js';
import { temporaryDirectory } from './testing/run-cli.js';

interface View {
  readonly args: readonly string[];
  readonly schema: string;
  /** On a daemon nobody uses: what the text says. */
  readonly idle: string | RegExp;
  /** On one with a thousand clients: what the text ends with. */
  readonly crowded: string | RegExp;
  /** During a reset, where that is told. */
  readonly reset?: RegExp;
  /** Its lines are for logs and other programs, and are as long as they are. */
  readonly unwrapped?: true;
  /** It is about a process, and there is none: what to do instead. */
  readonly nobody?: string;
}

const directory = temporaryDirectory();
const PID = String(FIRST_PID);
const MORE = /^900 more /m;

const VIEWS: readonly View[] = [
  { args: ['queues'], schema: 'pedrera.queues/1', idle: /^device 0: no work$/m, crowded: MORE, reset: /in reset/ },
  { args: ['queues', '--ring', 'DMA_0_0'], schema: 'pedrera.ring/1', idle: /FENCE 0 waits/, crowded: /FENCE 0 waits/ },
  { args: ['ps'], schema: 'pedrera.ps/1', idle: 'no clients\n', crowded: MORE },
  { args: ['cs'], schema: 'pedrera.cs/1', idle: 'no submissions\n', crowded: MORE },
  { args: ['cs', '--stuck'], schema: 'pedrera.cs/1', idle: /^nothing is stuck/, crowded: /pedrera why \d+\n$/ },
  { args: ['mem'], schema: 'pedrera.mem/1', idle: /nobody has any\n$/, crowded: MORE },
  {
    args: ['vm', PID],
    schema: 'pedrera.vm/1',
    idle: /has no address space/,
    crowded: /1 MiB in 1 mapping/,
    nobody: 'those that have: pedrera ps',
  },
  { args: ['engines'], schema: 'pedrera.engines/1', idle: /^no engine has been used/, crowded: /DMA0.*active/ },
  { args: ['events'], schema: 'pedrera.events/1', idle: 'no events\n', crowded: MORE },
  {
    args: ['smi'],
    schema: 'pedrera.smi/1',
    idle: /HL-205 .*[\s\S]* N\/A /,
    crowded: /worker-999\.js/,
    reset: /in reset/,
  },
  {
    args: ['smi', '-Q', 'index,memory.used', '-f', 'csv'],
    schema: 'pedrera.smi-query/1',
    idle: 'index, memory.used [MiB]\n0, 0 MiB\n1, 0 MiB\n',
    crowded: 'index, memory.used [MiB]\n0, 1000 MiB\n1, 1000 MiB\n',
  },
  { args: ['bufs'], schema: 'pedrera.bufs/1', idle: 'no dma-bufs\n', crowded: MORE },
  { args: ['bufs', '--brief'], schema: 'pedrera.bufs/1', idle: 'no dma-bufs\n', crowded: MORE },
  {
    args: ['bufs', '--graph'],
    schema: 'pedrera.bufs/1',
    idle: /^digraph bufs \{/,
    crowded: /buf1000/,
    unwrapped: true,
  },
  {
    args: ['status'],
    schema: 'pedrera.daemon/1',
    idle: /^objects: none$/m,
    crowded: /1000 context, 1000 dma-buf/,
    reset: /in reset/,
  },
  {
    args: ['why'],
    schema: 'pedrera.why/1',
    idle: 'nothing is stuck\n',
    crowded:
      /signallers of 400 fences or sync objects\s+were not searched for; begin with one process:\s+pedrera why PID\n$/,
    reset: /device 0 is in reset/,
  },
  {
    args: ['why', `pid:${PID}`],
    schema: 'pedrera.why/1',
    idle: /^pedrera: no process 5000 has a device open\n/,
    crowded: /fence 0[\s\S]*pid 5000/,
    nobody: 'see: pedrera ps, pedrera cs',
    reset: /device 0 is in reset/,
  },
  {
    args: ['leaks'],
    schema: 'pedrera.leaks/1',
    idle: 'no leaks: nothing is alive\n',
    crowded: /^ {2}and 970 more \(--all\)$/m,
  },
  {
    args: ['top', '-l', '-n', '1', '-s', '50'],
    schema: 'pedrera.top/1',
    idle: /device 0, operational, hbm 0 B of 32 GiB/,
    crowded: /900 more clients/,
    reset: /device 0, in reset/,
    unwrapped: true,
  },
  {
    args: ['ls', 'class/habanalabs'],
    schema: 'pedrera.ls/1',
    idle: 'dr-xr-xr-x  hl0/\n',
    crowded: 'dr-xr-xr-x  hl0/\n',
  },
  { args: ['cat', 'class/habanalabs/hl0/status'], schema: 'pedrera.cat/1', idle: 'text\n', crowded: 'text\n' },
  { args: ['inject', 'list'], schema: 'pedrera.faults/1', idle: 'no rules\n', crowded: 'no rules\n' },
  {
    args: ['strace', '-c', '-p', PID],
    schema: 'pedrera.strace-summary/1',
    idle: /^pedrera: process 5000 has no device open\n/,
    crowded: /calls/,
    nobody: 'pedrera ps shows the clients',
  },
  {
    args: ['trace', 'record', '-o', path.join(directory.path, 'run.pedrera-trace')],
    schema: 'pedrera.trace-recording/1',
    idle: /^recorded 0 records/m,
    crowded: /^recorded 0 records/m,
    unwrapped: true,
  },
  { args: ['trace', 'stop'], schema: 'pedrera.trace-stop/1', idle: 'nobody records\n', crowded: 'nobody records\n' },
];

const daemons: FakeDaemon[] = [];
const cli = new CommandRunner();

/** Files, rules and recordings are the same whoever is there. A recording is over at once. */
const REPLIES: NonNullable<Parameters<typeof startFakeDaemon>[1]['replies']> = {
  FILE_STAT: { kind: 'dir', mode: 0o555, size: 0 },
  FILE_LIST: { entries: [{ name: 'hl0', kind: 'dir', mode: 0o555 }] },
  FILE_READ: { bytes: Buffer.from('text\n') },
  INJECT_LIST: { faults: { schema: 'pedrera.faults/1', rules: [] } },
  TRACE_START: { id: 1, timeNs: 0 },
  TRACE_READ: { bytes: Buffer.alloc(0), lost: 0, ended: true },
  TRACE_STOP: { stopped: 0, records: 0, lost: 0 },
};

async function daemonWith(name: string, clients: number, more: { status?: string; other?: OtherVersion } = {}) {
  const socket = path.join(directory.path, name);
  const { status, other } = more;
  const snapshot = crowd({ clients, ...(status === undefined ? {} : { status }) });
  const daemon = crowdDaemon(status === undefined ? { clients } : { clients, status });
  const documents = { snapshot, daemon, clients: crowdClients(clients), ring: RING, replies: REPLIES };
  daemons.push(await startFakeDaemon(socket, documents, other));
  return socket;
}

async function both(args: readonly string[], socket: string): Promise<[CommandReply, CommandReply]> {
  return Promise.all([cli.run([...args, '--socket', socket]), cli.run([...args, '--json', '--socket', socket])]);
}

function expectMatch(text: string, wanted: string | RegExp): void {
  if (typeof wanted === 'string') expect(text).toBe(wanted);
  else expect(text).toMatch(wanted);
}

let sockets: Record<'idle' | 'reset' | 'crowded' | OtherVersion, string>;

beforeAll(async () => {
  sockets = {
    idle: await daemonWith('idle', 0),
    reset: await daemonWith('reset', 2, { status: 'in reset' }),
    crowded: await daemonWith('crowded', 1000),
    protocol: await daemonWith('protocol', 0, { other: 'protocol' }),
    older: await daemonWith('older', 0, { other: 'older' }),
    newer: await daemonWith('newer', 0, { other: 'newer' }),
  };
});

afterAll(async () => {
  await cli[Symbol.asyncDispose]();
  await Promise.all(daemons.map((daemon) => daemon.close()));
  directory[Symbol.dispose]();
});

describe.each(VIEWS)('$args', ({ args, schema, idle, crowded, reset, unwrapped, nobody }) => {
  it('an idle daemon', async () => {
    const [text, json] = await both(args, sockets.idle);
    if (nobody !== undefined) {
      expect(text).toMatchObject({ code: EXIT.deviceError, out: '' });
      expectMatch(text.err, idle);
      expect(JSON.parse(json.err)).toMatchObject({ schema: 'pedrera.error/1', hint: nobody });
      return;
    }
    expect(text).toMatchObject({ code: EXIT.ok, err: '' });
    expectMatch(text.out, idle);
    expect(JSON.parse(json.out)).toMatchObject({ schema });
  });

  it('during a reset', async () => {
    const [text, json] = await both(args, sockets.reset);
    expect(text).toMatchObject({ code: EXIT.ok, err: '' });
    expect(JSON.parse(json.out)).toMatchObject({ schema });
    if (reset !== undefined) expect(text.out).toMatch(reset);
  });

  it('a thousand clients: as many as a person reads, all for a program', async () => {
    const [text, json] = await both(args, sockets.crowded);
    expect(text).toMatchObject({ code: EXIT.ok, err: '' });
    expectMatch(text.out, crowded);
    const longest = ({ out }: CommandReply) => Math.max(...out.split('\n').map((line) => line.length));
    if (unwrapped === undefined) {
      expect(longest(text)).toBeLessThanOrEqual(200);
      expect(longest(await cli.run([...args, '--socket', sockets.crowded], 80))).toBeLessThanOrEqual(80);
    }
    expect(JSON.parse(json.out)).toMatchObject({ schema });
    expect(json.out).not.toMatch(/"notShown":[1-9]/);
  });

  it('no daemon', async () => {
    const socket = path.join(directory.path, 'none');
    expect(await cli.run([...args, '--socket', socket])).toMatchObject({
      code: EXIT.noDaemon,
      out: '',
      err: `pedrera: no daemon on ${socket}\nstart one with: pedrera start --socket ${socket}\n`,
    });
  });

  it.each(['protocol', 'older', 'newer'] as const)(
    'a daemon of another version (%s): a sentence with the fix',
    async (other) => {
      const socket = sockets[other];
      const { code, out, err } = await cli.run([...args, '--socket', socket]);
      expect({ code, out }).toEqual({ code: EXIT.deviceError, out: '' });
      expect(err).toMatch(`pedrera: the daemon on ${socket} is of another version than this command (`);
      const start = `pedrera start --socket ${socket}`;
      const hint =
        other === 'protocol'
          ? `stop it with the pedrera that started it, then: ${start}`
          : `restart it: pedrera stop --socket ${socket} && ${start}`;
      expect(err).toContain(`\n${hint}\n`);
      expect(err.trimEnd().split('\n')).toHaveLength(2);
    },
  );
});
