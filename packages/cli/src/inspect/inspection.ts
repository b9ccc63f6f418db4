/** What a look into the daemon is: how to get the document, and how to show it to people. */

import type { Render } from '../output.js';
import type { DaemonSession } from '../session.js';

export interface Inspection<Document> {
  readonly fetch: (session: DaemonSession) => Promise<Document>;
  readonly render: Render<Document>;
  /** Of one that is followed: whether a look found anything to tell. */
  readonly isNews?: (document: Document) => boolean;
}
