/**
 * The client processes' side of the channel to the conductor.
 *
 * Owns: calls in, replies out, and that a client process never outlives the conductor.
 * Must not know: what any role does.
 */
import { HlError } from '@pedrera/thunk';
import type { CallMessage, CallTable, ReplyMessage } from './calls.js';

type Handler<Call extends { params: unknown; result: unknown }> = (params: Call['params']) => Promise<Call['result']>;

type AnyHandler = (params: unknown) => Promise<unknown>;

/** The first call makes the role; the others are answered by what it returned. */
export interface PreparedRole<Calls extends RoleCallTable> {
  readonly result: Calls['prepare']['result'];
  readonly calls: { readonly [Name in Exclude<keyof Calls, 'prepare'>]: Handler<Calls[Name]> };
}

type RoleCallTable = CallTable & { readonly prepare: { readonly params: unknown; readonly result: unknown } };

export function serveRole<Calls extends RoleCallTable>(
  prepare: (params: Calls['prepare']['params']) => Promise<PreparedRole<Calls>>,
): void {
  let handlers: Readonly<Record<string, AnyHandler>> = {
    prepare: async (params) => {
      const { result, calls } = await prepare(params);
      // The conductor's side of the same table has checked names and parameters.
      handlers = calls as unknown as typeof handlers;
      return result;
    },
  };
  process.on('message', (message: CallMessage) => {
    void answer(handlers[message.name] ?? refuse, message);
  });
  process.on('disconnect', () => process.exit(0));
}

async function refuse(): Promise<never> {
  throw new Error('not a call that can be answered now');
}

function answer(handler: AnyHandler, { id, params }: CallMessage): Promise<void> {
  return handler(params).then(
    (result) => reply({ id, result }),
    (error: unknown) => {
      const code = error instanceof HlError ? error.code : 'FAILED';
      reply({ id, error: { code, message: error instanceof Error ? error.message : String(error) } });
    },
  );
}

function reply(message: ReplyMessage): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}
