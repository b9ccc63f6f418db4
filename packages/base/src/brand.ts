/** Branded types: a command-buffer handle does not compile where a queue id is wanted. No run-time cost. */

declare const brand: unique symbol;

export type Brand<T, B extends string> = T & { readonly [brand]: B };
