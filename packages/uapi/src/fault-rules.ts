/** The rules of failure as INJECT_ARM takes them and INJECT_LIST shows them. */

export interface FaultRulesDocument {
  schema: 'pedrera.faults/1';
  rules: FaultRuleState[];
}

export interface FaultRuleState {
  id: number;
  on: 'call' | 'packet';
  /** Null: any. */
  device: number | null;
  pid: number | null;
  call: string | null;
  queue: string | null;
  opcode: string | null;
  addresses: { start: number; length: number } | null;
  after: number;
  /** Null: no end. */
  times: number | null;
  perMillion: number;
  seed: number;
  action: string;
  target: string;
  value: number;
  matched: number;
  struck: number;
}
