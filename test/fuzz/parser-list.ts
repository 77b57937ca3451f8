/** Every parser of bytes or text that the sources declare, found by name, and the fuzz targets that feed it. */
import { readdirSync, readFileSync } from 'node:fs';

const source = new URL('../../src/', import.meta.url);
const FUNCTION = /^export (?:async )?function ((?:read|parse)[A-Z]\w*)/;
const CLASS = /^export (?:abstract )?class (\w+)/;
/** A method with a body: interfaces end in a semicolon. */
const METHOD =
  /^ {2}(?:static )?(?:override )?(?:async )?(\w*[fF]rom(?:Secret|Rounded|Traced)?Bytes)\((?!.*;$)/;

/** `name` of a function, `Class.name` of a method. */
export function declaredParsers(text: string): string[] {
  let owner = '';
  return text.split('\n').flatMap((line) => {
    owner = CLASS.exec(line)?.[1] ?? owner;
    const [name, method] = [FUNCTION.exec(line)?.[1], METHOD.exec(line)?.[1]];
    if (name !== undefined) return [name];
    return method === undefined ? [] : [`${owner}.${method}`];
  });
}

export function parsersOfSources(): string[] {
  return readdirSync(source, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => declaredParsers(readFileSync(new URL(file, source), 'utf8')));
}
