/**
 * `pedrera cat`: files of the daemon, byte for byte.
 *
 * Owns: how a file is read to its end, and the document of `cat --json`. Must not know what the files are.
 */
import { isUtf8 } from 'node:buffer';
import type { Context } from '../command.js';
import { EXIT, type ExitCode } from '../exit.js';
import { type DaemonSession, withSession } from '../session.js';
import { absolutePath, onFile } from './path.js';

/** The most one read of the daemon gives. */
const READ_BYTES = 256 * 1024;

/** One for each file. Bytes that are no text are in base64. */
interface FileDocument {
  readonly schema: 'pedrera.cat/1';
  readonly path: string;
  readonly text?: string;
  readonly base64?: string;
}

export async function printFiles(context: Context, paths: readonly string[]): Promise<ExitCode> {
  return withSession(context, async (session) => {
    for (const given of paths) {
      const path = absolutePath(given);
      const bytes = await onFile(path, () => readWhole(session, path));
      const content = isUtf8(bytes) ? { text: bytes.toString('utf8') } : { base64: bytes.toString('base64') };
      const document: FileDocument = { schema: 'pedrera.cat/1', path, ...content };
      context.output.file(document, bytes);
    }
    return EXIT.ok;
  });
}

async function readWhole(session: DaemonSession, path: string): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for (let offset = 0; ; ) {
    const { bytes } = await session.ioctl('FILE_READ', { path, offset, size: READ_BYTES });
    pieces.push(bytes);
    offset += bytes.length;
    if (bytes.length < READ_BYTES) return Buffer.concat(pieces);
  }
}
