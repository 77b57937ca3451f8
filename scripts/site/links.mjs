// Checks every address of a built site that leads into the site: the file is there, and so is the heading.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';

const unescape = (text) =>
  text
    .replace(/&amp;/g, '&')
    .replace(/&quot;/g, '"')
    .replace(/&#x27;/g, "'")
    .replace(/&#x([0-9a-f]+);/gi, (_, hex) => String.fromCodePoint(Number.parseInt(hex, 16)));

/** The file that a server sends for a path of the site, or undefined. */
export function fileOf(site, path) {
  return [path, `${path}.html`, join(path, 'index.html')]
    .map((name) => join(site, name))
    .find((name) => existsSync(name) && statSync(name).isFile());
}

/**
 * The links of all pages of the folder `site` that lead nowhere, one line each. Links to other sites are not followed.
 * @param without folders that this build lacks: links into them are not looked at
 */
export function brokenLinks(site, without = []) {
  const ids = new Map();
  const idsOf = (file) => {
    if (!ids.has(file))
      ids.set(
        file,
        new Set([...readFileSync(file, 'utf8').matchAll(/\sid="([^"]*)"/g)].map(([, id]) => unescape(id))),
      );
    return ids.get(file);
  };
  const broken = new Set();
  for (const name of readdirSync(site, { recursive: true, encoding: 'utf8' })) {
    // The reference is checked by its generator.
    if (!name.endsWith('.html') || name.startsWith('reference')) continue;
    const html = readFileSync(join(site, name), 'utf8').replace(/<script[\s\S]*?<\/script>/g, '');
    for (const [, raw] of html.matchAll(/\s(?:href|src)="([^"]+)"/g)) {
      const address = unescape(raw);
      if (/^([a-z]+:|\/\/)/i.test(address)) continue;
      const [place, anchor] = address.split('#');
      const path = decodeURI(place.startsWith('/') ? place : posix.join('/', dirname(name), place));
      if (without.some((folder) => path.startsWith(`/${folder}/`))) continue;
      const file = place === '' ? join(site, name) : fileOf(site, path);
      if (file === undefined) broken.add(`${name}: ${address} leads nowhere`);
      else if (anchor && file.endsWith('.html') && !idsOf(file).has(decodeURIComponent(anchor)))
        broken.add(`${name}: ${address}: no such heading`);
    }
  }
  return [...broken];
}
