/**
 * The tables of debugfs: command buffers, submissions, jobs, pinned host memory, address spaces (uapi.md 9.3).
 *
 * Owns: their columns and their order, newest first as the driver's lists have it. The rows are the objects themselves. Must
 * not know files.
 */
import { commandBufferHandle } from '@pedrera/uapi';
import { CommandBuffer } from '../core/command-buffer.js';
import type { Context } from '../core/context.js';
import type { HlDevice } from '../core/device.js';
import { type LiveMapping, physicalAddress } from '../core/mapping.js';
import type { Job, Submission } from '../core/submission.js';

const RULE = {
  commandBuffers: '---------------------------------------------------------------',
  submissions: '----------------------------------------------------------------',
  userptr: '----------------------------------------------------------',
  lookup: '---------------------------------------------------------------------------------------',
  vm: '----------------------------------------------------',
  short: '---------------------',
} as const;

/** Blank line, header, rule, rows, blank line; nothing at all without rows. */
function table(header: string, rule: string, rows: readonly string[]): string {
  return rows.length === 0 ? '' : ['', header, rule, ...rows, '', ''].join('\n');
}

export function commandBuffers(device: HlDevice): string {
  const rows: string[] = [];
  for (const file of newestFirst(device.files)) {
    for (const object of newestFirst(file.handles.values())) {
      if (object instanceof CommandBuffer) {
        const id = commandBufferHandle(object.id).toString().padStart(3, '0');
        const size = object.size.toString(16).padStart(8, '0');
        rows.push(
          `   ${id}        ${object.context.asid}    0x${size}      ${object.refs}          ${object.mapped ? 1 : 0}          ${object.csCount}`,
        );
      }
    }
  }
  return table(' CB ID   CTX ID   CB size    CB RefCnt    mmap?   CS counter', RULE.commandBuffers, rows);
}

export function submissions(device: HlDevice): string {
  const rows: string[] = [];
  for (const submission of unfinished(device)) {
    const { seq, type, context, submitted } = submission;
    const jobs = jobsOf(submission).length;
    rows.push(
      `   ${seq}        ${type}          ${context.asid}          ${jobs}           ${submitted ? 1 : 0}            ${submission.finished ? 1 : 0}`,
    );
  }
  return table(' CS ID   CS TYPE   CTX ASID   CS RefCnt   Submitted    Completed', RULE.submissions, rows);
}

export function submissionJobs(device: HlDevice): string {
  const rows: string[] = [];
  for (const submission of unfinished(device)) {
    const { seq, type, context } = submission;
    for (const job of jobsOf(submission).reverse()) {
      const id = String(job.id).padStart(2, '0');
      rows.push(`   ${id}      ${seq}        ${type}        ${context.asid}          1           ${job.queue}`);
    }
  }
  return table(' JOB ID   CS ID    CS TYPE    CTX ASID   JOB RefCnt   H/W Queue', RULE.commandBuffers, rows);
}

export function userptr(device: HlDevice): string {
  const rows = hostMappings(device).map(({ size, pid, hostAddress }) => {
    const address = hostAddress.toString(16).padEnd(12);
    return ` ${String(pid).padEnd(7)}  0x${address}      ${String(size).padEnd(10)}   DMA_BIDIRECTIONAL`;
  });
  return table(' pid      user virtual address     size             dma dir', RULE.userptr, rows);
}

/** The pinned regions that hold `wanted`, an address of the process that pinned them. */
export function userptrLookup(device: HlDevice, wanted: bigint): string {
  const rows: string[] = [];
  for (const { context, va, size, pid, hostAddress } of hostMappings(device)) {
    const offset = Number(wanted) - hostAddress;
    const there = offset >= 0 && offset < size ? context.addressSpace.translate(va + offset) : undefined;
    if (there !== undefined) {
      const columns = [
        `0x${wanted.toString(16).padEnd(18)}`,
        ` 0x${physicalAddress(there).toString(16).padEnd(16)}`,
        ` ${String(pid).padEnd(8)}`,
        ` 0x${hostAddress.toString(16).padEnd(16)}`,
        String(size),
      ];
      rows.push(` ${columns.join(' ')}`);
    }
  }
  return table(
    ' user virtual address         dma address       pid        region start     region size',
    RULE.lookup,
    rows,
  );
}

export function vm(device: HlDevice): string {
  const contexts = [...newestFirst(device.contexts)];
  const lines: string[] = [];
  for (const context of contexts) {
    lines.push('', '', RULE.vm, RULE.vm, '', ...addressSpaceLines(context), ...allocationLines(context));
  }
  const open = contexts.filter((context) => context.lost === undefined);
  for (const context of open) {
    lines.push('', open.length === 1 ? 'VA ranges:' : `VA ranges of asid ${context.asid}:`, '');
    // Pages of both sizes come from the same host range (device.md 1.3); the third is that of device memory.
    for (const [number, range] of (['host', 'host', 'dram'] as const).entries()) {
      lines.push(`   va_range ${number}`, RULE.short);
      for (const { start, end } of context.addressSpace.freeRanges(range)) {
        lines.push(`${hex16(start)} - ${hex16(end - 1)} (0x${(end - start).toString(16)})`);
      }
      lines.push('');
    }
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function addressSpaceLines(context: Context): string[] {
  const lines = [
    `ctx asid: ${context.asid}`,
    '',
    'mappings:',
    '',
    '    virtual address        size          handle',
    RULE.vm,
  ];
  for (const { va, size, source } of context.addressSpace.mappings()) {
    const row = `    0x${va.toString(16).padEnd(14)}      ${String(size).padEnd(10)}`;
    lines.push(source.kind === 'device' ? `${row}       ${source.handle}` : row.trimEnd());
  }
  return lines;
}

function allocationLines(context: Context): string[] {
  const lines: string[] = [];
  for (const { handle, extents, pageSize } of context.allocations) {
    lines.push('', `handle: ${handle}`, `page size: ${pageSize}`, '', '   physical address', RULE.short);
    for (const { address, size } of extents) {
      for (let at = address; at < address + size; at += pageSize) {
        lines.push(`    0x${at.toString(16)}`);
      }
    }
  }
  return lines.length === 0 ? [] : ['', '', 'allocations:', ...lines];
}

/** As C's %#16llx. */
function hex16(value: number): string {
  return `0x${value.toString(16)}`.padStart(16);
}

interface HostMapping extends Pick<LiveMapping, 'va' | 'size'> {
  readonly context: Context;
  readonly pid: number;
  readonly hostAddress: number;
}

function hostMappings(device: HlDevice): HostMapping[] {
  const found: HostMapping[] = [];
  for (const context of device.contexts) {
    for (const { va, size, source } of context.addressSpace.mappings()) {
      if (source.kind === 'host') {
        found.push({ context, va, size, pid: source.pid, hostAddress: source.address });
      }
    }
  }
  return found.reverse();
}

function* unfinished(device: HlDevice): Generator<Submission> {
  for (const context of newestFirst(device.contexts)) {
    yield* newestFirst(context.pending.unfinished());
  }
}

/** What is on a queue for it: jobs that report completion leave as they do, the others stay until all is released. */
function jobsOf(submission: Submission): Job[] {
  const jobs: Job[] = [];
  for (const queue of submission.context.queues) {
    for (const job of queue?.jobs ?? []) {
      if (job?.submission === submission) {
        jobs.push(job);
      }
    }
  }
  return jobs.sort((a, b) => a.id - b.id);
}

function newestFirst<T>(objects: Iterable<T>): T[] {
  return [...objects].reverse();
}
