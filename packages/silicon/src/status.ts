/**
 * What an attempted access or packet came to, as a small number: the inner loops cannot afford exceptions or objects.
 * Positive numbers are fault causes (FAULT of @pedrera/hw).
 */

export const DONE = 0;
/** No room on the way (interrupt or fabric FIFO full): nothing was done, try again later. */
export const STALL = -1;
