/** Why a stream does not move: the answer of `pedrera why`, for the page. */
import type { Snapshot } from '@pedrera/uapi';
import type { WhyRequest } from '@pedrera/web';
import { makeStyle } from '../text/style.js';
import { renderWhy } from '../why/render.js';
import { explain } from '../why/why.js';

/** Text as on a terminal with colours. Names of programs in it are printable: no escape is theirs. */
export function whyText(snapshot: Snapshot, { pid, submission, columns }: Omit<WhyRequest, 'type' | 'id'>): string {
  const style = makeStyle(columns, true);
  if (submission !== null) {
    const document = explain(snapshot, submission);
    // The submission may have ended in the meantime; the process may have other waits.
    if (document.causes.length > 0) return renderWhy(document, style);
  }
  return renderWhy(explain(snapshot, { pid }), style);
}
