export interface MergedName {
  readonly stem: string;
  readonly name: string;
}
export function mergedNames(text: string): MergedName[];
export function sharedNames(
  merged: readonly MergedName[],
  flagsOf: ReadonlyMap<string, string>,
): [name: string, stems: string[]][];
export function startupCode(text: string, flagsOf: ReadonlyMap<string, string>): string[];
export function misplacedCode(
  arch: string,
): { shared: [name: string, stems: string[]][]; startup: string[] } | null;
