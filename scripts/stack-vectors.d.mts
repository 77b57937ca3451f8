export interface Instruction {
  readonly address: number;
  readonly name: string;
  readonly operands: string;
}
export interface VectorLoop {
  readonly name: string;
  readonly length: number;
  readonly onStack: readonly Instruction[];
}
export function parseDisassembly(text: string): { name: string; instructions: Instruction[] }[];
export function vectorLoops(functions: { name: string; instructions: Instruction[] }[]): VectorLoop[];
export function vectorLoopsOf(object: string): VectorLoop[] | null;
