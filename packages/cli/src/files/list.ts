/**
 * `pedrera ls`: a directory of the daemon's virtual files.
 *
 * Owns: the document and the text of a listing. Must not know what the files are.
 */
import type { Res } from '@pedrera/uapi';
import type { Context } from '../command.js';
import { EXIT, type ExitCode } from '../exit.js';
import { type DaemonSession, withSession } from '../session.js';
import type { Style } from '../text/style.js';
import { absolutePath, onFile } from './path.js';

type Kind = Res<'FILE_STAT'>['kind'];

interface ListedEntry {
  readonly name: string;
  readonly kind: Kind;
  readonly mode: number;
  /** Where a link leads. */
  readonly target?: string;
}

/** The document of `ls --json`. A file is listed as its own and only entry. */
interface Listing {
  readonly schema: 'pedrera.ls/1';
  readonly path: string;
  readonly entries: readonly ListedEntry[];
}

const KIND_LETTER: Record<Kind, string> = { file: '-', dir: 'd', link: 'l' };

export async function listFiles(context: Context, given: string | undefined): Promise<ExitCode> {
  const path = absolutePath(given ?? '');
  return withSession(context, async (session) => {
    const listing: Listing = {
      schema: 'pedrera.ls/1',
      path,
      entries: await onFile(path, () => entriesOf(session, path)),
    };
    context.output.result(listing, renderListing);
    return EXIT.ok;
  });
}

async function entriesOf(session: DaemonSession, path: string): Promise<ListedEntry[]> {
  const { kind, mode } = await session.ioctl('FILE_STAT', { path });
  if (kind === 'file') {
    return [{ name: path, kind, mode }];
  }
  // A link is listed as what it leads to, as `ls` with a slash behind the name would.
  const { entries } = await session.ioctl('FILE_LIST', { path });
  return Promise.all(
    entries.map(async (entry) => {
      if (entry.kind !== 'link') return entry;
      const { target } = await session.ioctl('FILE_STAT', { path: `${path}/${entry.name}` });
      return target === undefined ? entry : { ...entry, target };
    }),
  );
}

function renderListing({ entries }: Listing, style: Style): string {
  return entries
    .map(({ name, kind, mode, target }) => {
      const permissions = style.dim(`${KIND_LETTER[kind]}${modeText(mode)}`);
      return `${permissions}  ${name}${kind === 'dir' ? '/' : ''}${target === undefined ? '' : ` -> ${target}`}`;
    })
    .join('\n');
}

/** rw-r--r-- */
function modeText(mode: number): string {
  let text = '';
  for (let bit = 8; bit >= 0; bit--) {
    text += (mode & (1 << bit)) === 0 ? '-' : 'xwr'.charAt(bit % 3);
  }
  return text;
}
