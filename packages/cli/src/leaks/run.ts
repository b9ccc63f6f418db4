/** Runs `pedrera leaks`. Owns its exit code: 1 when somebody who is gone left something. */
import type { Context } from '../command.js';
import { EXIT, type ExitCode } from '../exit.js';
import { withSession } from '../session.js';
import { findLeaks, LEAKS_SECTIONS } from './find.js';
import { renderLeaks } from './render.js';

export async function runLeaks(
  context: Context,
  options: { readonly pid: number | undefined; readonly all: boolean },
): Promise<ExitCode> {
  return withSession(context, async (session) => {
    const document = findLeaks(await session.inspect({ sections: LEAKS_SECTIONS }), options.pid);
    context.output.result(document, (it, style) => renderLeaks(it, style, options));
    return document.leaked.length === 0 ? EXIT.ok : EXIT.deviceError;
  });
}
