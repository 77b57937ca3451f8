/** The rules of WCAG 2.2, A and AA, as axe-core can check them in a page. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

/** Names of the rules that the page breaks. */
export async function wcagFindings(page: Page): Promise<string[]> {
  await page.evaluate(axeSource);
  const run = `axe.run({ runOnly: ${JSON.stringify(TAGS)} })`;
  return (await page.evaluate(
    `${run}.then(({ violations }) => violations.map(({ id }) => id).sort())`,
  )) as string[];
}
