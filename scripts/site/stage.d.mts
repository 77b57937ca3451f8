/** Writes the pages of the site from the repository at `root` into `target`. Returns what is wrong, a line each. */
export function stagePages(root: string, target: string): string[];
