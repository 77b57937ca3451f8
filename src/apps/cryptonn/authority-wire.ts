/** Paths that an authority answers at, for both sides. */
import type { AxisName } from '../../protocols/cryptonn/agreement/dataset-spec.ts';

export const authorityRoutes = {
  health: '/v1/health',
  dataset: (id: string) => `/v1/datasets/${id}`,
  publicKey: (id: string, axis: AxisName) => `/v1/datasets/${id}/${axis}/public-key`,
  keys: (id: string, axis: AxisName) => `/v1/datasets/${id}/${axis}/keys`,
};
