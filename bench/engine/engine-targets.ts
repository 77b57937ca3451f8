/** What the engine is held against: measured peers and targets, and the Markdown table of docs/engine.md. */
import type { BenchRow } from '../report.ts';

interface Target {
  readonly op: string;
  readonly scheme: string;
  readonly logN: number;
  /** SEAL 4.4 with HEXL on an AMD Zen 5 core with AVX-512 IFMA; milliseconds. */
  readonly peerMs: number;
  readonly targetMs: number;
}

const target = (op: string, scheme: string, logN: number, peerMs: number, targetMs: number): Target => ({
  op,
  scheme,
  logN,
  peerMs,
  targetMs,
});

const TARGETS: readonly Target[] = [
  target('ntt-forward', 'ring', 14, 0.0146, 0.0125),
  target('rotate', 'ckks', 13, 0.85, 0.2),
  target('rotate', 'ckks', 14, 9.5, 2.4),
  target('rotate', 'ckks', 15, 57.5, 14),
  target('multiply-relinearize', 'ckks', 13, 0.87, 0.22),
  target('multiply-relinearize', 'ckks', 14, 9.4, 2.6),
  target('multiply-relinearize', 'ckks', 15, 57.9, 15),
  target('encode', 'ckks', 13, 0.16, 0.08),
  target('encode', 'ckks', 14, 0.58, 0.25),
  target('encode', 'ckks', 15, 2.5, 1),
  target('decode', 'ckks', 13, 0.48, 0.1),
  target('decode', 'ckks', 14, 4.6, 0.4),
  target('decode', 'ckks', 15, 35.8, 1.6),
  target('encrypt-symmetric', 'ckks', 13, 2.1, 0.25),
  target('encrypt-symmetric', 'ckks', 14, 9.3, 1),
  target('encrypt-symmetric', 'ckks', 15, 34, 4),
  target('multiply-relinearize', 'bgv', 13, 5.6, 0.3),
  target('multiply-relinearize', 'bgv', 14, 29.5, 3),
];

/** The fastest one-thread row of a family of kernels. */
function fastest(
  rows: readonly BenchRow[],
  { op, scheme, logN }: Target,
  family: string,
): BenchRow | undefined {
  return rows
    .filter((row) => row['op'] === op && row['scheme'] === scheme && row['logN'] === logN)
    .filter((row) => row['threads'] === 1 && String(row['kernel']).startsWith(family))
    .sort((a, b) => Number(a['us']) - Number(b['us']))[0];
}

/** How often the fastest of our kernels of each kind is faster than node-seal, by operation and ring degree. */
export function sealRatios(rows: readonly BenchRow[]): BenchRow[] {
  const names = new Map<string, Target>();
  for (const row of rows) {
    if (row['kernel'] !== 'node-seal') continue;
    const [op, scheme, logN] = [String(row['op']), String(row['scheme']), Number(row['logN'])];
    names.set(`${op} ${scheme} ${logN}`, target(op, scheme, logN, 0, 0));
  }
  return [...names.values()].flatMap((name) =>
    ['native', 'wasm'].flatMap((family) => {
      const [own, peer] = [fastest(rows, name, family), fastest(rows, name, 'node-seal')];
      if (own === undefined || peer === undefined) return [];
      const { op, scheme, logN } = name;
      return [
        {
          compared: `node-seal / ${family}`,
          op,
          scheme,
          logN,
          ratio: Number(peer['us']) / Number(own['us']),
        },
      ];
    }),
  );
}

function milliseconds(us: number): string {
  return (us / 1000).toPrecision(3);
}

/** The target table with a measured column, as it stands in docs/engine.md. */
export function targetTable(rows: readonly BenchRow[]): string {
  const lines = [
    '| operation | ring | peer, ms | target, ms | native, ms | primes | WebAssembly, ms | node-seal, ms | target met |',
    '|---|---|---|---|---|---|---|---|---|',
  ];
  for (const goal of TARGETS) {
    const [native, wasm, seal] = ['native', 'wasm', 'node-seal'].map((family) => fastest(rows, goal, family));
    if (native === undefined) continue;
    const ms = (row: BenchRow | undefined) => (row === undefined ? '' : milliseconds(Number(row['us'])));
    const primes = Number(native['special']) > 0 ? `${native['limbs']}+${native['special']}` : '';
    const met = Number(native['us']) <= 1000 * goal.targetMs ? 'yes' : 'no';
    lines.push(
      `| ${goal.scheme} ${goal.op} | 2^${goal.logN} | ${goal.peerMs} | ${goal.targetMs} | ${ms(native)} | ${primes} | ${ms(wasm)} | ${ms(seal)} | ${met} |`,
    );
  }
  for (const row of rows.filter((other) => other['compared'] !== undefined)) {
    const { compared, op, logN, ratio } = row as Record<string, string | number>;
    lines.push(`| ${op}: ${compared} | 2^${logN} | | | ${Number(ratio).toPrecision(3)}x | | | | |`);
  }
  return lines.join('\n');
}
