/** The package's front door outside Node: all of `index.ts` but the server, which needs threads of Node. */
export * from './client.ts';
export { compile, type CompileOptions } from './compiler/compile.ts';
export type { Program, Report } from './compiler/program.ts';
export { PolynomialNetwork } from './nn/polynomial/polynomial-network.ts';
