/** The links of all pages of a built site that lead nowhere, one line each, but for those into the folders `without`. */
export function brokenLinks(site: string, without?: readonly string[]): string[];
