/**
 * The msgpack dialect of the protocol: the tokens and bounds that encoder and decoder share.
 *
 * Owns: what a message may consist of. An array at the top; in it nil, booleans, numbers, 64-bit integers, strings, byte
 * strings, arrays, maps with string keys. No extension types.
 * Must not know: what a message means.
 */

/** Nesting of arrays and maps, the outer array counted. */
export const MAX_DEPTH = 16;
/** Values of all kinds in one message. Bounds what a receiver can be made to build out of one-byte values such as empty maps. */
export const MAX_VALUES = 1 << 20;

export const NIL = 0xc0;
export const FALSE = 0xc2;
export const TRUE = 0xc3;
export const BIN8 = 0xc4;
export const BIN16 = 0xc5;
export const BIN32 = 0xc6;
export const FLOAT32 = 0xca;
export const FLOAT64 = 0xcb;
export const UINT8 = 0xcc;
export const UINT16 = 0xcd;
export const UINT32 = 0xce;
export const UINT64 = 0xcf;
export const INT8 = 0xd0;
export const INT16 = 0xd1;
export const INT32 = 0xd2;
export const INT64 = 0xd3;
export const STR8 = 0xd9;
export const STR16 = 0xda;
export const STR32 = 0xdb;
export const ARRAY16 = 0xdc;
export const ARRAY32 = 0xdd;
export const MAP16 = 0xde;
export const MAP32 = 0xdf;
/** First tokens of the ranges that carry a value or a count in themselves. */
export const FIXMAP = 0x80;
export const FIXARRAY = 0x90;
export const FIXSTR = 0xa0;
export const FIXSTR_END = 0xc0;
export const NEGATIVE_FIXINT = 0xe0;

/**
 * Eight bytes seen as numbers, to convert without allocating a DataView for every buffer. Two words, the low one first:
 * little endian, as every machine is that this runs on. msgpack is big endian.
 */
const shared = new ArrayBuffer(8);
export const scratchWords = new Uint32Array(shared);
export const scratchFloat32 = new Float32Array(shared);
export const scratchFloat64 = new Float64Array(shared);
export const scratchInt64 = new BigInt64Array(shared);
export const scratchUint64 = new BigUint64Array(shared);
