/** Why a program ran without the preload library. Owns the reasons; must not know how programs are started. */
import { statSync } from 'node:fs';
import { findProgram, headOf } from './program-file.js';

const PT_INTERP = 3;
/** EI_CLASS. */
const CLASS_AT = 4;
const CLASS_64 = 2;
const SET_ID_BITS = 0o6000;

/** A sentence. */
export function whyNotPreloaded(command: string, searchPath: string | undefined): string {
  const file = findProgram(command, searchPath);
  const start = `${command} ran without the preload library, so it saw no simulated device: `;
  if (file === undefined) return `${start}the reason is not to be seen`;
  if ((statSync(file).mode & SET_ID_BITS) !== 0)
    return `${start}it is setuid or setgid, and the loader ignores LD_PRELOAD there`;
  const head = headOf(file);
  if (head.toString('latin1', 0, 4) !== '\x7fELF')
    return `${start}it is no ELF program, and what it starts did not load it`;
  if (head[CLASS_AT] !== CLASS_64) return `${start}it is a 32-bit program, and the library is there for 64 bits only`;
  return hasInterpreter(head)
    ? `${start}it is dynamically linked, but its loader does not know LD_PRELOAD or is for another machine`
    : `${start}it is statically linked (as Go programs are, unless they use cgo); link it dynamically`;
}

/** Of a 64-bit little-endian ELF file: whether a loader is asked for, so that it is not static. */
function hasInterpreter(head: Buffer): boolean {
  const table = Number(head.readBigUInt64LE(0x20));
  const size = head.readUInt16LE(0x36);
  const count = head.readUInt16LE(0x38);
  for (let i = 0; i < count; i++) {
    const at = table + i * size;
    if (at + 4 <= head.length && head.readUInt32LE(at) === PT_INTERP) return true;
  }
  return false;
}
