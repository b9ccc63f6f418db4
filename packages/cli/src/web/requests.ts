/**
 * What a browser may ask for, checked: whatever else comes over its connection is none of our page's.
 *
 * Owns: the form of requests. Must not know: the answers.
 */
import { CLIENT_SORTS, type PageRequest, type ViewRequest, type WhyRequest } from '@pedrera/web';

const MAX_FILTER = 100;
const MIN_COLUMNS = 40;
const MAX_COLUMNS = 200;

/** Undefined for anything the page does not send. */
export function parseRequest(text: string): PageRequest | undefined {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(message)) return undefined;
  if (message.type === 'view') return viewOf(message);
  if (message.type === 'why') return whyOf(message);
  return undefined;
}

type Fields = Readonly<Record<string, unknown>>;

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function viewOf({ device, filter, queuesFrom, clientsFrom, clientSort, buffersFrom }: Fields): ViewRequest | undefined {
  const sort = CLIENT_SORTS.find((name) => name === clientSort);
  if (!(device === null || isCount(device)) || typeof filter !== 'string' || filter.length > MAX_FILTER)
    return undefined;
  if (!isCount(queuesFrom) || !isCount(clientsFrom) || !isCount(buffersFrom) || sort === undefined) return undefined;
  return { type: 'view', device, filter, queuesFrom, clientsFrom, clientSort: sort, buffersFrom };
}

function whyOf({ id, pid, submission, columns }: Fields): WhyRequest | undefined {
  if (!isCount(id) || !isCount(pid) || !isCount(columns)) return undefined;
  const width = Math.min(MAX_COLUMNS, Math.max(MIN_COLUMNS, columns));
  if (submission === null) return { type: 'why', id, pid, submission, columns: width };
  if (!isRecord(submission)) return undefined;
  const { device, asid, seq } = submission;
  if (!isCount(device) || !isCount(asid) || !isCount(seq)) return undefined;
  return { type: 'why', id, pid, submission: { device, asid, seq }, columns: width };
}
