import type { Bench } from './report.ts';
export const speech: Bench = async () => {
  throw new Error('not yet');
};
