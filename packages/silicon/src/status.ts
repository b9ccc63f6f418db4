/**
 * What an attempted access or packet came to, as a small number: the inner loops cannot afford exceptions or objects.
 * Positive numbers are fault causes (FAULT of @pedrera/hw). DONE moves the processor past its packet; after the negative ones
 * it stands at the same packet.
 */

export const DONE = 0;
/** No room on the way (interrupt or fabric FIFO full): nothing was done, try again later. */
export const STALL = -1;
/** Parked on a fence. */
export const FENCE = -2;
/** In a transfer, which ends the packet. */
export const TRANSFER = -3;
/** Stopped for good. */
export const STOP = -4;
/** Parked until the engine, or the lower processor, has got further. */
export const ENGINE = -5;
/** Parked until it gets the lock. */
export const GRANT = -6;
/** The packet goes on in another piece of memory. */
export const CROSSING = -7;
