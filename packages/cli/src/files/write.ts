/**
 * `pedrera write`: a value into a file of the daemon.
 *
 * Owns: what is sent, and what is said when the file took nothing. Must not know what the files are.
 */
import type { Context } from '../command.js';
import { deviceError, EXIT, type ExitCode } from '../exit.js';
import { withSession } from '../session.js';
import { absolutePath, onFile } from './path.js';

/** The document of `write --json`. */
interface WriteDocument {
  readonly schema: 'pedrera.write/1';
  readonly path: string;
  readonly written: number;
}

export async function writeFile(context: Context, given: string, value: string): Promise<ExitCode> {
  const path = absolutePath(given);
  return withSession(context, async (session) => {
    const bytes = Buffer.from(`${value}\n`);
    const { written } = await onFile(path, () => session.ioctl('FILE_WRITE', { path, offset: 0, bytes }));
    // The driver's answer of some files while the device is in reset.
    if (written === 0) throw deviceError(`${path} took nothing; is the device in reset?`);
    const document: WriteDocument = { schema: 'pedrera.write/1', path, written };
    if (context.output.kind === 'json') context.output.result(document, () => '');
    return EXIT.ok;
  });
}
