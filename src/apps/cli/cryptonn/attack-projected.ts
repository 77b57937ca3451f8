/** `subrosa attack cryptonn` on what a projected trainer kept: names of classes and images by what such data looks like. */
import type { Kernel } from '../../../kernel/kernel.ts';
import { PriorAttack } from '../../../protocols/cryptonn/leakage/prior-attack.ts';
import type { TrainingTranscript } from '../../../protocols/cryptonn/trainer/training-transcript.ts';
import { readLabelKey } from '../../cryptonn/owner-session.ts';
import {
  integersOf,
  leakFigures,
  leakLines,
  type LookAlikeSource,
  measureLookAlike,
} from '../../cryptonn/measured-leak.ts';
import { type GreyPicture, pictureLines, pictureSvg } from '../../cryptonn/picture.ts';
import { replaceFile } from '../../keystore/atomic-file.ts';
import type { Terminal } from '../terminal/terminal.ts';

export interface ProjectedAttackFlags {
  readonly show: number;
  readonly out?: string;
  readonly labelKey?: string;
  readonly json?: boolean;
}

/** `projected` of the transcript is there. */
export async function attackProjected(
  { spec, labels, products }: NonNullable<TrainingTranscript['projected']>,
  source: LookAlikeSource,
  flags: ProjectedAttackFlags,
  kernel: Kernel,
  terminal: Terminal,
): Promise<void> {
  const attack = new PriorAttack(spec, integersOf(spec, source.images), kernel);
  const opened = Float32Array.from(products);
  const names = attack.names(opened, labels);
  const rank = spec.projection?.rank ?? 0;
  const shown = Math.min(flags.show, labels.length);
  const first = new Float32Array(rank * shown);
  for (let k = 0; k < rank; k++)
    first.set(opened.subarray(k * labels.length, k * labels.length + shown), k * shown);
  const estimates = attack.inputs(first);
  const pictures = Array.from(
    { length: shown },
    (_, i): GreyPicture => ({
      pixels: estimates.subarray(i * spec.features, (i + 1) * spec.features),
      width: Math.round(Math.sqrt(spec.features)),
      white: spec.inputScale,
    }),
  );
  if (flags.out !== undefined)
    await replaceFile(
      flags.out,
      new TextEncoder().encode(pictureSvg([{ caption: 'estimated from P x alone', pictures }])),
    );
  const right = flags.labelKey === undefined ? undefined : namesRight(flags.labelKey, names);
  const leak = measureLookAlike(spec, source, kernel);
  if (flags.json === true) {
    const found = { names: [...names], ...(right === undefined ? {} : { namesRight: right }) };
    terminal.out(
      `${JSON.stringify({ samples: labels.length, ...found, measuredLeak: leakFigures(leak, source.name) })}\n`,
    );
    return;
  }
  for (const picture of pictures)
    terminal.out(`\nestimated from P x alone\n${pictureLines(picture).join('\n')}\n`);
  const said = [...names].map((real, secret) => `${secret} is ${real < 0 ? 'unknown' : String(real)}`);
  terminal.out(
    [
      '',
      `Names of classes, from ${labels.length} samples: ${said.join(', ')}.`,
      ...(right === undefined ? [] : [`By the label key, ${right} of ${names.length} are right.`]),
      ...leakLines(leak, source.name),
      '',
    ].join('\n'),
  );
}

function namesRight(path: string, names: Int32Array): number {
  const truth = readLabelKey(path, names.length).restore(
    Int32Array.from({ length: names.length }, (_, i) => i),
  );
  return names.filter((name, i) => name === truth[i]).length;
}
