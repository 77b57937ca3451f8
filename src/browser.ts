/** The package's front door outside Node: all of `index.ts` but the server, which needs threads of Node. */
export * from './client.ts';
export { compile, type CompileOptions } from './compiler/compile.ts';
export type { Program } from './compiler/program.ts';
export { type ProgramFile, readProgram, writeProgram } from './compiler/program-file.ts';
export { offerOf } from './compiler/program-facts.ts';
export { type Report, reportOf } from './compiler/report.ts';
export { PolynomialNetwork } from './nn/polynomial/polynomial-network.ts';
