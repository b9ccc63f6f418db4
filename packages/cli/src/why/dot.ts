/**
 * The answer of `pedrera why` for Graphviz.
 *
 * Owns: its spelling in the DOT language; processes are clusters. Must not know: how causes are found.
 */
import { dotString } from '../text/dot.js';
import type { WaitNode, WhyDocument } from './document.js';

export function whyToDot(document: WhyDocument): string {
  const { nodes, edges, causes, programs } = document;
  const guilty = new Set(causes.flatMap(({ root, cycle }) => [root, ...(cycle ?? [])]));
  const names = new Map(programs.map(({ pid, program }) => [pid, program]));
  const byPid = new Map<number | null, WaitNode[]>();
  for (const node of nodes) byPid.set(node.pid, [...(byPid.get(node.pid) ?? []), node]);
  const lines = [
    'digraph why {',
    '  rankdir=TB;',
    '  node [shape=box, fontname="Helvetica"];',
    '  edge [fontname="Helvetica", fontsize=10];',
  ];
  lines.push(`  label=${dotString(causes.map(({ sentence }) => sentence).join('\n') || 'nothing is stuck')};`);
  for (const [pid, members] of byPid) {
    const statements = members.map((node) => `    ${dotString(node.id)} ${attributes(node, guilty.has(node.id))};`);
    if (pid === null) lines.push(...statements.map((line) => line.slice(2)));
    else
      lines.push(
        `  subgraph cluster_${pid} {`,
        `    label=${dotString(`pid ${pid} ${names.get(pid) ?? ''}`.trim())};`,
        ...statements,
        '  }',
      );
  }
  for (const { from, to, text } of edges) {
    const label = text === null ? '' : ` [label=${dotString(text)}]`;
    lines.push(`  ${dotString(from)} -> ${dotString(to)}${label};`);
  }
  return [...lines, '}'].join('\n');
}

function attributes({ title, text, fate }: WaitNode, guilty: boolean): string {
  const color = fate === 'stuck' ? 'red' : fate === 'depends' ? 'orange' : 'darkgreen';
  const emphasis = guilty ? `, color=${color}, penwidth=2` : '';
  return `[label=${dotString(`${title}\n${text}`)}${emphasis}]`;
}
