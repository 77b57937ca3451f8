export interface MergedName {
  readonly stem: string;
  readonly name: string;
}
export function mergedNames(text: string): MergedName[];
export function sharedNames(
  merged: readonly MergedName[],
  flagsOf: ReadonlyMap<string, string>,
): [name: string, stems: string[]][];
export function sharedSymbols(arch: string): [name: string, stems: string[]][] | null;
