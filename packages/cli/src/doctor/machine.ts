/**
 * What this machine lets Pedrera do, found out by trying.
 *
 * Owns: the probes, which of them are essential, and what to do about a lack. Must not know: what a daemon does with any of it, or how
 * findings are shown.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { HBM_SIZE } from '@pedrera/hw';
import { formatSize } from '../text/units.js';

/** 'lack': something works worse or not at all without it. 'missing': nothing works. */
export type State = 'ok' | 'lack' | 'missing';

export interface Finding {
  readonly check: string;
  readonly state: State;
  readonly found: string;
  /** What to do about it. */
  readonly advice?: string;
}

export interface SocketPlace {
  readonly path: string;
  /** Nobody said which socket. */
  readonly isDefault: boolean;
}

/** What a probe returns when it does not throw; a thrown error is a finding, too. */
interface Answer {
  readonly ok: boolean;
  readonly found: string;
}

interface Probe {
  readonly check: string;
  readonly essential: boolean;
  readonly advice: string;
  look(): Answer | Promise<Answer>;
}

const LEAST_NODE = [20, 19] as const;
const PAGE = 4096;
const FEW_DESCRIPTORS = 4096;
const HEADER = '/usr/include/misc/habanalabs.h';
const YAMA = '/proc/sys/kernel/yama/ptrace_scope';
/** Yama's values up to this one let a process consent to being reached into. */
const YAMA_BY_CONSENT = 1;

const good = (found: string): Answer => ({ ok: true, found });
const bad = (found: string): Answer => ({ ok: false, found });

function nodeVersion(): Answer {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const enough = major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1]);
  return { ok: enough, found: process.versions.node };
}

function platform(): Answer {
  const found = `${process.platform} on ${process.arch}, ${os.release()}`;
  return { ok: process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch), found };
}

/** Shared memory as the daemon makes it: a memfd, sealed. */
async function sealedMemory(): Promise<Answer> {
  const { SharedMemory } = await import('@pedrera/wire');
  SharedMemory.create('pedrera-doctor', PAGE).close();
  return good('memfd_create and F_ADD_SEALS work');
}

async function deviceMemory(): Promise<Answer> {
  const { SharedMemory } = await import('@pedrera/wire');
  SharedMemory.create('pedrera-doctor-hbm', HBM_SIZE).close();
  return good(`${formatSize(HBM_SIZE)} of sparse memory can be made`);
}

/** This process reaches into itself: a container that forbids the call forbids that, too. */
async function processMemory(): Promise<Answer> {
  const { processVmRead } = await import('@pedrera/wire');
  const [, first = ''] = /^([0-9a-f]+)-[0-9a-f]+ r/m.exec(readFileSync('/proc/self/maps', 'utf8')) ?? [];
  const address = Number.parseInt(first, 16);
  const bytes = Buffer.allocUnsafeSlow(16);
  const read = processVmRead(process.pid, address, bytes);
  return read === bytes.length ? good('process_vm_readv works') : bad(`process_vm_readv read ${read} of 16 bytes`);
}

async function takeDescriptor(): Promise<Answer> {
  const { EventFd, pidfdGetfd } = await import('@pedrera/wire');
  const { closeSync } = await import('node:fs');
  const counter = EventFd.create();
  try {
    closeSync(pidfdGetfd(process.pid, counter.fd));
    return good('pidfd_getfd works');
  } finally {
    counter.close();
  }
}

function ptraceScope(): Answer {
  if (!existsSync(YAMA)) return good('no Yama: processes of one user may reach into each other');
  const scope = Number(readFileSync(YAMA, 'utf8'));
  return { ok: scope <= YAMA_BY_CONSENT, found: `yama ptrace_scope ${scope}` };
}

/** A directory that nobody named is made at start; one the user named is the user's to make. */
function runtimeDirectory({ path: socketPath, isDefault }: SocketPlace): Answer {
  const directory = path.dirname(socketPath);
  if (existsSync(directory)) {
    if (!statSync(directory).isDirectory()) return bad(`${directory} is no directory`);
    accessSync(directory, constants.W_OK | constants.X_OK);
    return good(`${directory} can be written`);
  }
  if (!isDefault) return bad(`${directory} is not there`);
  accessSync(path.dirname(directory), constants.W_OK | constants.X_OK);
  return good(`${directory} can be made`);
}

function descriptors(): Answer {
  const line = /^Max open files\s+(\S+)\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
  const [soft = 'unknown', hard = 'unknown'] = line?.slice(1) ?? [];
  return { ok: soft === 'unlimited' || Number(soft) >= FEW_DESCRIPTORS, found: `${soft} open files (at most ${hard})` };
}

function hugePages(): Answer {
  const text = readFileSync('/proc/meminfo', 'utf8');
  const count = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
  const found = `${count('HugePages_Free')} of ${count('HugePages_Total')} huge pages free`;
  return { ok: count('HugePages_Free') > 0, found };
}

function processors(): Answer {
  const count = os.availableParallelism();
  return { ok: count > 1, found: `${count} processors, ${formatSize(os.freemem())} of memory free` };
}

function compiler(env: NodeJS.ProcessEnv): Answer {
  const command = env.CC || 'cc';
  const { error, status, stdout } = spawnSync(command, ['--version'], { encoding: 'utf8' });
  if (error !== undefined || status !== 0) return bad(`${command} does not run`);
  return good(stdout.split('\n')[0] ?? command);
}

function header(): Answer {
  return existsSync(HEADER) ? good(HEADER) : bad(`${HEADER} is not there`);
}

function probes(socket: SocketPlace, env: NodeJS.ProcessEnv): readonly Probe[] {
  return [
    {
      check: 'Node',
      essential: true,
      advice: `install Node ${LEAST_NODE.join('.')} or later`,
      look: nodeVersion,
    },
    {
      check: 'platform',
      essential: true,
      advice: 'use Linux on x86-64 or arm64; a virtual machine or a container will do',
      look: platform,
    },
    {
      check: 'shared memory',
      essential: true,
      advice:
        'the package koffi has to load, and the kernel to allow memfd_create: install again; look at the container profile',
      look: sealedMemory,
    },
    {
      check: 'device memory',
      essential: true,
      advice: 'raise the limit of file sizes: ulimit -f unlimited',
      look: deviceMemory,
    },
    {
      check: 'runtime directory',
      essential: true,
      advice: 'make the directory, or set PEDRERA_SOCKET or XDG_RUNTIME_DIR to a place of yours',
      look: () => runtimeDirectory(socket),
    },
    {
      check: 'memory of C programs',
      essential: false,
      advice:
        'C programs can map only what HOST_ALLOC gave them: allow process_vm_readv (docker run --cap-add SYS_PTRACE)',
      look: processMemory,
    },
    {
      check: 'descriptors of C programs',
      essential: false,
      advice: 'C programs cannot register an eventfd: allow pidfd_getfd (Linux 5.6; docker run --cap-add SYS_PTRACE)',
      look: takeDescriptor,
    },
    {
      check: 'ptrace scope',
      essential: false,
      advice: 'only root may reach into processes: sysctl kernel.yama.ptrace_scope=1',
      look: ptraceScope,
    },
    {
      check: 'open files',
      essential: false,
      advice: `for many clients, allow ${FEW_DESCRIPTORS} or more: ulimit -n ${FEW_DESCRIPTORS}`,
      look: descriptors,
    },
    {
      check: 'huge pages',
      essential: false,
      advice: 'programs that map MAP_HUGETLB memory need some: sysctl vm.nr_hugepages=64',
      look: hugePages,
    },
    {
      check: 'processors',
      essential: false,
      advice: 'each device is a thread; with one processor everything works, slowly',
      look: processors,
    },
    {
      check: 'C compiler',
      essential: false,
      advice: 'needed to build the preload library for C programs: install gcc or clang, or name one in CC',
      look: () => compiler(env),
    },
    {
      check: 'C header',
      essential: false,
      advice: 'needed by C programs and by the tests that compare with it: install linux-libc-dev (6.1)',
      look: header,
    },
  ];
}

/** Tries everything. Never throws: what cannot be found out is a finding. */
export async function examineMachine(socket: SocketPlace, env: NodeJS.ProcessEnv): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { check, essential, advice, look } of probes(socket, env)) {
    const { ok, found } = await attempt(look);
    if (ok) findings.push({ check, state: 'ok', found });
    else findings.push({ check, state: essential ? 'missing' : 'lack', found, advice });
  }
  return findings;
}

async function attempt(look: Probe['look']): Promise<Answer> {
  try {
    return await look();
  } catch (error) {
    return bad(error instanceof Error ? error.message : String(error));
  }
}
