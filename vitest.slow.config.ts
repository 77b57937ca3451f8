import { defineConfig } from 'vitest/config';

/** The tests that need minutes or data from outside the repository. */
export default defineConfig({
  test: {
    setupFiles: ['test/setup/kernel-leaks.ts'],
    include: ['test/**/*.slow.test.ts'],
    testTimeout: 3_600_000,
    pool: 'forks',
    maxWorkers: 1,
  },
});
