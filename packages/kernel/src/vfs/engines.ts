/**
 * The text about engines that debugfs `engines` and INFO ENGINE_STATUS show (uapi.md 9.4).
 *
 * Owns: its columns. Must not know where the register values come from.
 */
import { ENGINES, type EngineStatus } from '@pedrera/hw';

const HEADERS = {
  DMA: 'DMA  is_idle  QM_GLBL_STS0  QM_CGM_STS  DMA_CORE_STS0',
  TPC: 'TPC  is_idle  QM_GLBL_STS0  QM_CGM_STS  CFG_STATUS',
  MME: 'MME  is_idle  QM_GLBL_STS0  QM_CGM_STS  ARCH_STATUS',
  NIC: 'NIC  is_idle  QM_GLBL_STS0  QM_CGM_STS',
} as const;

/**
 * Four blocks: DMA, TPC, MME, NIC; of the NICs only the ports in `nicPortsMask`. Each piece the driver formats on its own
 * ends with a NUL, which counts (uapi.md 9.4).
 */
export function formatEngines(statuses: readonly EngineStatus[], nicPortsMask: number): string {
  const pieces: string[] = [];
  for (const kind of ['DMA', 'TPC', 'MME', 'NIC'] as const) {
    const header = HEADERS[kind];
    pieces.push(`\n${header}\n${header.replace(/\S/g, '-')}\n`);
    for (const status of statuses) {
      if (status.name.startsWith(kind) && (kind !== 'NIC' || portEnabled(status, nicPortsMask))) {
        pieces.push(row(kind, status));
      }
    }
  }
  pieces.push('\n');
  return pieces.map((piece) => `${piece}\0`).join('');
}

function portEnabled({ name }: EngineStatus, nicPortsMask: number): boolean {
  const port = ENGINES.indexOf(name) - ENGINES.indexOf('NIC0');
  return (nicPortsMask & (1 << port)) !== 0;
}

function row(kind: keyof typeof HEADERS, { name, idle, qmGlblSts0, qmCgmSts, status }: EngineStatus): string {
  const head = name.slice(3).padEnd(5) + (idle ? 'Y' : 'N').padEnd(9) + hex(qmGlblSts0).padEnd(14);
  return kind === 'NIC' ? `${head}${hex(qmCgmSts)}\n` : `${head}${hex(qmCgmSts).padEnd(12)}${hex(status)}\n`;
}

/** '-' for a register that is not there. */
function hex(value: number | undefined): string {
  return value === undefined ? '-' : `0x${value.toString(16)}`;
}
