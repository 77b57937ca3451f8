// npm run docs:serve: shows the built site on this machine (PORT, else 8416): files, with `.html` left out of addresses.
import { createReadStream } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fileOf } from './links.mjs';

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.woff2': 'font/woff2',
};

/** Serves `site` on 127.0.0.1 at `port` (0: any that is free) and prints the address. @returns the server, listening */
export function serve(site, port = Number(process.env.PORT ?? 8416)) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const file = fileOf(site, normalize(decodeURIComponent(pathname))) ?? join(site, '404.html');
    response.statusCode = file.endsWith('404.html') ? 404 : 200;
    response.setHeader('content-type', TYPES[extname(file)] ?? 'application/octet-stream');
    createReadStream(file).pipe(response);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      process.stdout.write(`http://127.0.0.1:${server.address().port}/\n`);
      resolve(server);
    });
  });
}

const own = fileURLToPath(import.meta.url);
if (process.argv[1] === own) await serve(join(dirname(own), '../../build/site'));
