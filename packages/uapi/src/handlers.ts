/** The type of an implementation of the table: a missing or an extra handler does not compile. */
import type { IoctlName, Req, Res } from './table.js';

export type Handlers<Ctx> = { [N in IoctlName]: (ctx: Ctx, req: Req<N>) => Res<N> | Promise<Res<N>> };
