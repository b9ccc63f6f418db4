/**
 * The file a command names, before it is started: whether it can be, and what it is.
 *
 * Owns: the search along PATH, the first bytes. Must not know: how programs are started, or what for.
 */
import { accessSync, closeSync, constants, existsSync, openSync, readSync, statSync } from 'node:fs';
import path from 'node:path';
import { type CliError, usageError } from '../exit.js';

const HEAD_BYTES = 4096;
const INTERPRETER = /^#![ \t]*([^ \t\n]+)/;

/** Where it is; undefined if nowhere. */
export function findProgram(command: string, searchPath = ''): string | undefined {
  const candidates = command.includes('/') ? [command] : searchPath.split(':').map((dir) => path.join(dir, command));
  return candidates.find((file) => statSync(file, { throwIfNoEntry: false })?.isFile() === true);
}

/** The first bytes, as many as there are; empty for a file that may be executed and not read. */
export function headOf(file: string): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  try {
    const fd = openSync(file, 'r');
    try {
      return head.subarray(0, readSync(fd, head, 0, HEAD_BYTES, 0));
    } finally {
      closeSync(fd);
    }
  } catch {
    return Buffer.alloc(0);
  }
}

/** Throws when it is clear that the command cannot be started. */
export function checkProgram(command: string, searchPath: string | undefined): void {
  const obstacle = obstacleOf(command, searchPath);
  if (obstacle !== undefined) throw obstacle;
}

function obstacleOf(command: string, searchPath: string | undefined): CliError | undefined {
  const file = findProgram(command, searchPath);
  if (file === undefined) {
    if (!command.includes('/')) {
      const here = statSync(command, { throwIfNoEntry: false })?.isFile()
        ? `a file of this directory is named as ./${command}`
        : undefined;
      return usageError(`there is no program ${command} in the directories of PATH`, here);
    }
    return usageError(
      existsSync(command) ? `${command} is no file that could be run` : `there is no program ${command}`,
    );
  }
  try {
    accessSync(file, constants.X_OK);
  } catch {
    return usageError(`${file} is not executable`, `chmod +x ${file}`);
  }
  const interpreter = INTERPRETER.exec(headOf(file).toString('latin1'))?.[1];
  return interpreter === undefined || existsSync(interpreter)
    ? undefined
    : usageError(`${file} is a script for ${interpreter}, which is not there`);
}
