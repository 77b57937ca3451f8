import { ReleaseRefusedError } from '../../src/base/errors.ts';

/** Why a release refused `attempt`, or 'none'. */
export function refusal(attempt: () => unknown): string {
  try {
    attempt();
  } catch (error) {
    if (error instanceof ReleaseRefusedError) return error.details.reason;
    throw error;
  }
  return 'none';
}
