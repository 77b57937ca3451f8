/** The checks of scripts/check-native.mjs; each says itself what it does, and why when it cannot be done here. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const script = fileURLToPath(new URL('../../scripts/check-native.mjs', import.meta.url));
const IMPOSSIBLE = 3;

test.each([['secrets'], ['bytes', '30'], ['addon', '50'], ['portable'], ['arm'], ['registers']])(
  '%s',
  (...check) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...check], { encoding: 'utf8' });
    if (status === IMPOSSIBLE) process.stdout.write(`left out: ${stderr}`);
    else expect({ status, tail: (stdout + stderr).slice(-2000) }).toMatchObject({ status: 0 });
  },
);
