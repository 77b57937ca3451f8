/** Polynomials in place of activations, maxima and norms: fits, calibration, quantised weights. */
export * from './approximate.ts';
export * from './calibration-file.ts';
export * from './calibration.ts';
export * from './channel-statistics.ts';
export * from './decisions.ts';
export * from './minimax-fit.ts';
export * from './nearby-squares.ts';
export * from './normalise-channels.ts';
export * from './quantise-graph.ts';
export * from './weighted-fit.ts';
