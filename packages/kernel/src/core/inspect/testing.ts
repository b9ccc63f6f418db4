/** For the tests beside it: what there is to know of connections where there are none. */
import type { ClientBooks } from './moment.js';

export const NO_BOOKS: ClientBooks = {
  clients: () => [],
  calls: () => [],
  programOf: () => '',
  knows: () => false,
  descriptors: () => [],
  files: () => [],
};
