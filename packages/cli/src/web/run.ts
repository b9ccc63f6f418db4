/**
 * Runs `pedrera web`.
 *
 * Owns: its life, until Ctrl-C. Must not know: the page.
 */
import type { Context } from '../command.js';
import { EXIT, type ExitCode } from '../exit.js';
import { askDaemon, openSession } from '../session.js';
import { untilQuit } from '../terminal/screen.js';
import { Feed } from './feed.js';
import { WEB_SECTIONS } from './looks.js';
import { serveWeb } from './server.js';

export async function runWeb(context: Context, { port }: { readonly port: number }): Promise<ExitCode> {
  // Without a daemon there is nothing to show yet; one that goes away later is waited for.
  const session = await openSession(context);
  const feed = new Feed(session, () => openSession(context));
  try {
    // Nor with one that does not know the question.
    await askDaemon(context, session, () => feed.ask(WEB_SECTIONS));
    const server = await serveWeb(port, feed);
    const { url } = server;
    context.output.result({ schema: 'pedrera.web-server/1', url }, () => `the page is at ${url}\nCtrl-C ends it`);
    await untilQuit(process.stdin);
    await server.close();
    return EXIT.ok;
  } finally {
    await feed.close();
  }
}
