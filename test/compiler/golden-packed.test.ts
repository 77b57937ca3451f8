/** CryptoNets for one sample, frozen: layouts, levels, scales, rotations. A change of the compiler that moves it says so with a new file. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { compile } from '../../src/compiler/compile.ts';
import { layoutText } from '../../src/compiler/packed/layout.ts';
import { packedSubject, plannedParts } from '../../src/compiler/packed/packed-analysis.ts';
import { programText } from '../../src/compiler/program-text.ts';
import { PolynomialNetwork } from '../../src/nn/polynomial/polynomial-network.ts';

/** The file of each kind of reply: whole ones came first. */
const FILES = { whole: 'packed-cryptonets.v1.json', traced: 'packed-cryptonets.v2.json' };

it.each(['whole', 'traced'] as const)(
  'CryptoNets for one sample is compiled as frozen, %s reply',
  (reply) => {
    const file = new URL(`../golden/${FILES[reply]}`, import.meta.url);
    const model = new URL('../../models/mnist/cryptonets-polynomial-8bit.bin', import.meta.url);
    const network = PolynomialNetwork.fromBytes(readFileSync(model));
    const program = compile(network, { name: 'cryptonets', inputBound: 1, layout: 'packed', reply });
    const { params, packed, steps } = program;
    const subject = packedSubject(program);
    const made = {
      params,
      layouts: packed!.layouts.map(layoutText),
      keys: packed!.keys,
      rotations: steps.flatMap((step) =>
        step.op === 'transform'
          ? plannedParts(subject, step).map(({ split }) => ({
              babies: split.babies,
              giants: split.giants.map((giant) => giant.step),
            }))
          : [],
      ),
      steps: programText(program).split('\n'),
    };
    const text = `${JSON.stringify(made, null, 1)}\n`;
    if (process.env['SUBROSA_GOLDEN'] === 'write' && !existsSync(file)) writeFileSync(file, text);
    expect(JSON.parse(text)).toEqual(JSON.parse(readFileSync(file, 'utf8')));
  },
);
