/**
 * The C structs of the importer node's ioctls (uapi.md 6.6).
 *
 * Owns: their offsets and sizes, which importer.test.ts holds against those of the public test suite's header; no header of the kernel
 * has them. Must not know: which call uses which struct.
 */
import { field as f, layout, type StructLayout } from './layout.js';
import { fd32, padding, u32, u53 } from './scalars.js';

export const HL_IMPORTER_REG_IN = layout('struct hl_importer_reg_dmabuf_mr_in', 64, {
  offset: f('offset', u53, 0),
  length: f('length', u53, 8),
  iova: f('iova', u53, 16),
  fd: f('fd', fd32, 24),
  accessFlags: f('access_flags', u32, 28),
  res: f('res', padding(32), 32),
});

export const HL_IMPORTER_REG_OUT = layout('struct hl_importer_reg_dmabuf_mr_out', 64, {
  mrHandle: f('mr_handle', u53, 0),
  res: f('res', padding(56), 8),
});

export const HL_IMPORTER_DEREG = layout('struct hl_importer_dereg_mr_args', 32, {
  mrHandle: f('mr_handle', u53, 0),
  res: f('res', padding(24), 8),
});

/** Writing and reading have the same fields. */
const ACCESS_FIELDS = {
  mrHandle: f('mr_handle', u53, 0),
  userptr: f('userptr', u53, 8),
  size: f('size', u32, 16),
  offset: f('offset', u32, 20),
  res: f('res', padding(8), 24),
};
export const HL_IMPORTER_WRITE = layout('struct hl_importer_write_to_mr_args', 32, ACCESS_FIELDS);
export const HL_IMPORTER_READ = layout('struct hl_importer_read_from_mr_args', 32, ACCESS_FIELDS);

export const IMPORTER_STRUCTS: readonly StructLayout[] = [
  HL_IMPORTER_REG_IN,
  HL_IMPORTER_REG_OUT,
  HL_IMPORTER_DEREG,
  HL_IMPORTER_WRITE,
  HL_IMPORTER_READ,
];
