/** Why a stream does not move: the answer of `pedrera why`, for the page. */
import type { Snapshot } from '@pedrera/uapi';
import type { WhyRequest } from '@pedrera/web';
import { makeStyle } from '../text/style.js';
import { explainSure } from '../why/confirm.js';
import type { WhyDocument } from '../why/document.js';
import { renderWhy } from '../why/render.js';
import { explain } from '../why/why.js';

type Question = Omit<WhyRequest, 'type' | 'id'>;

/** Text as on a terminal with colours. Names of programs in it are printable: no escape is theirs. `look` is asked once or twice. */
export async function whyText(look: () => Promise<Snapshot>, question: Question): Promise<string> {
  const { document } = await explainSure(look, (snapshot) => whyDocument(snapshot, question));
  return renderWhy(document, makeStyle(question.columns, true));
}

function whyDocument(snapshot: Snapshot, { pid, submission }: Question): WhyDocument {
  if (submission !== null) {
    const document = explain(snapshot, submission);
    // The submission may have ended in the meantime; the process may have other waits.
    if (document.causes.length > 0) return document;
  }
  return explain(snapshot, { pid });
}
