/**
 * The scalar types of the C structs: size, alignment, and how they are read from and written to bytes (little-endian).
 *
 * Must not know: which field or struct it serves.
 */

export interface Scalar<T> {
  /** The C type, for documentation and generated C. */
  readonly c: string;
  readonly size: number;
  readonly align: number;
  read(view: DataView, at: number): T;
  write(view: DataView, at: number, value: T): void;
}

const TWO_POW_32 = 2 ** 32;

export const u8: Scalar<number> = {
  c: '__u8',
  size: 1,
  align: 1,
  read: (view, at) => view.getUint8(at),
  write: (view, at, value) => view.setUint8(at, value),
};

export const u16: Scalar<number> = {
  c: '__u16',
  size: 2,
  align: 2,
  read: (view, at) => view.getUint16(at, true),
  write: (view, at, value) => view.setUint16(at, value, true),
};

export const u32: Scalar<number> = {
  c: '__u32',
  size: 4,
  align: 4,
  read: (view, at) => view.getUint32(at, true),
  write: (view, at, value) => view.setUint32(at, value, true),
};

export const s32: Scalar<number> = {
  c: '__s32',
  size: 4,
  align: 4,
  read: (view, at) => view.getInt32(at, true),
  write: (view, at, value) => view.setInt32(at, value, true),
};

/** A u64 as a double. All ones reads as 2^64, which is the nearest double, and writes back as all ones. */
export const u53: Scalar<number> = {
  c: '__u64',
  size: 8,
  align: 8,
  read: (view, at) => view.getUint32(at + 4, true) * TWO_POW_32 + view.getUint32(at, true),
  write(view, at, value) {
    const full = value >= 2 ** 64;
    view.setUint32(at, full ? 0xffff_ffff : value % TWO_POW_32, true);
    view.setUint32(at + 4, full ? 0xffff_ffff : Math.floor(value / TWO_POW_32), true);
  },
};

export const u64: Scalar<bigint> = {
  c: '__u64',
  size: 8,
  align: 8,
  read: (view, at) => view.getBigUint64(at, true),
  write: (view, at, value) => view.setBigUint64(at, value, true),
};

/** Signed in C, where the driver never stores a negative value (timestamps); same bits. */
export const s64: Scalar<bigint> = { ...u64, c: '__s64' };

/** A time stamp: signed in C, never negative. */
export const s53: Scalar<number> = { ...u53, c: '__s64' };

/** A file descriptor, which the C struct declares unsigned. */
export const fd32: Scalar<number> = { ...s32, c: '__u32' };

export const bool8: Scalar<boolean> = {
  c: '__u8',
  size: 1,
  align: 1,
  read: (view, at) => view.getUint8(at) !== 0,
  write: (view, at, value) => view.setUint8(at, value ? 1 : 0),
};

export const bool32: Scalar<boolean> = {
  c: '__u32',
  size: 4,
  align: 4,
  read: (view, at) => view.getUint32(at, true) !== 0,
  write: (view, at, value) => view.setUint32(at, value ? 1 : 0, true),
};

/** A NUL-terminated string in an array of `size` bytes; text that does not fit is cut before the NUL. */
export function text(size: number): Scalar<string> {
  return {
    c: '__u8',
    size,
    align: 1,
    read(view, at) {
      const bytes = Buffer.from(view.buffer, view.byteOffset + at, size);
      const end = bytes.indexOf(0);
      return bytes.toString('utf8', 0, end < 0 ? size : end);
    },
    write(view, at, value) {
      const bytes = Buffer.from(view.buffer, view.byteOffset + at, size);
      bytes.fill(0);
      bytes.write(value, 0, size - 1, 'utf8');
    },
  };
}

/** Raw bytes in an array of `size`; fewer are followed by zeros. */
export function blob(size: number): Scalar<Uint8Array> {
  return {
    c: '__u8',
    size,
    align: 1,
    read: (view, at) => new Uint8Array(view.buffer, view.byteOffset + at, size).slice(),
    write(view, at, value) {
      const bytes = new Uint8Array(view.buffer, view.byteOffset + at, size);
      bytes.fill(0);
      bytes.set(value.subarray(0, size));
    },
  };
}

/** A fixed array. The value has exactly `count` elements; missing ones are written as the element's zero bytes. */
export function array<T>(element: Scalar<T>, count: number): Scalar<T[]> {
  return {
    c: element.c,
    size: element.size * count,
    align: element.align,
    read: (view, at) => Array.from({ length: count }, (_, i) => element.read(view, at + i * element.size)),
    write(view, at, value) {
      for (let i = 0; i < count; i += 1) {
        const item = value[i];
        if (item !== undefined) element.write(view, at + i * element.size, item);
      }
    },
  };
}

/** Padding and reserved space: never read into a request, never written. */
export function padding(size: number, align = 1): Scalar<undefined> {
  return { c: '__u8', size, align, read: () => undefined, write() {} };
}
