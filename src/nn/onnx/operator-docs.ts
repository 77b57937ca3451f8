/** The page docs/operators.md from the operator tables. */
import { FIRST_OPSET, LAST_OPSET, OPERATORS } from './operator-table.ts';
import { RECOGNISED_DOMAIN } from './operators/norms.ts';
import type { Operator } from './operators/operator.ts';

const HEAD = `# ONNX operators

\`importOnnx\` reads operator sets ${FIRST_OPSET} to ${LAST_OPSET} of the default domain and what scikit-learn exporters write of \`ai.onnx.ml\`. The first axis of every
input is the samples: what moves, mixes or splits it is refused by name, as is an attribute that is not listed. Everything that cannot be read is named in one
error, with cuts (\`--from\`, \`--to\`) that were tried. Every row but ZipMap, whose maps
the oracle does not give out, is compared with onnxruntime in \`test/nn/onnx/operators.test.ts\`, in all operator sets in the slow suite.

This page is written by \`node scripts/operators-page.mjs\`; a test says when it is out of date.

What an operator becomes: a *linear map* and a *view* (which costs nothing once merged) run on encrypted values; a *function*, a *maximum* and a *norm* are replaced by
polynomials or linear maps when a model is calibrated; a *product* of two encrypted values takes a level; the *tail* is what follows the last encrypted layer and is run by
the client in the clear, in the middle of a network it is refused; a *constant* folds. Constants fold through all of them.
`;

const ORDER: readonly Operator['becomes'][] = [
  'linear map',
  'view',
  'function',
  'product',
  'maximum',
  'norm',
  'tail',
  'constant',
];

function row({ name, domain, opsets, attributes, note }: Operator): string {
  const [first, last] = opsets ?? [FIRST_OPSET, LAST_OPSET];
  const shown = domain === undefined ? name : `${domain}.${name}`;
  return `| ${shown} | ${first} to ${last} | ${attributes.map((attribute) => `\`${attribute}\``).join(' ')} | ${note ?? ''} |`;
}

/** Markdown, always the same for the same tables. */
export function operatorsPage(): string {
  const sections = ORDER.map((becomes) => {
    const rows = OPERATORS.filter(
      (operator) => operator.becomes === becomes && operator.domain !== RECOGNISED_DOMAIN,
    );
    const sorted = [...rows].sort((a, b) =>
      `${a.domain ?? ''}${a.name}`.localeCompare(`${b.domain ?? ''}${b.name}`, 'en'),
    );
    const title = `${becomes.slice(0, 1).toUpperCase()}${becomes.slice(1)}`;
    return [
      `## ${title}`,
      '',
      '| operator | sets | attributes | |',
      '|---|---|---|---|',
      ...sorted.map(row),
      '',
    ].join('\n');
  });
  const control =
    '`If` is read when its condition folds (one branch), or when it is one number per sample (both branches, chosen by the client). Functions of the file are read in place.';
  return `${HEAD}\n${sections.join('\n')}\n## Control\n\n${control}\n`;
}
