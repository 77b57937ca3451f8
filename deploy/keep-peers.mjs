// In an image: makes dependencies of the optional peers, in the versions that the tests ran with, so that `npm prune` leaves them.
import { readFileSync, writeFileSync } from 'node:fs';

const file = new URL('../package.json', import.meta.url);
const facts = JSON.parse(readFileSync(file, 'utf8'));
for (const name of Object.keys(facts.peerDependencies)) {
  facts.dependencies[name] = facts.devDependencies[name];
  delete facts.devDependencies[name];
}
writeFileSync(file, `${JSON.stringify(facts, null, 2)}\n`);
