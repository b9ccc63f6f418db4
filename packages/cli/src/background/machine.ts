/**
 * The file behind --machine.
 *
 * Owns: reading it, and what is said when that fails. Must not know: what is in it; the kernel's reader is handed in.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { HlError } from '@pedrera/base';
import { usageError } from '../exit.js';

/** A daemon in the background has a directory of its own in mind. */
export function machineArguments(file: string | undefined): string[] {
  return file === undefined ? [] : ['--machine', path.resolve(file)];
}

/** Throws a usage error that names the file. */
export function readMachine<M>(file: string, parse: (text: string) => M): M {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw usageError(`cannot read the machine description: ${(error as Error).message}`);
  }
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof HlError)) throw error;
    throw usageError(`${file}: ${error.detail ?? error.message}`, 'docs/machine.md has the form, with an example');
  }
}
