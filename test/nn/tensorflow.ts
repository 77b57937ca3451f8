/**
 * TensorFlow.js on its CPU backend, as the package `@tensorflow/tfjs` sets it up, which brings 220 MB more: the core registers
 * neither gradients nor methods of tensors by itself. vitest.config.ts has Vite load it, since Node cannot resolve
 * the imports of these files.
 */
// oxlint-disable import/no-unassigned-import -- importing them registers what they define.
import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js';
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
import '@tensorflow/tfjs-backend-cpu/dist/index.js';

export * from '@tensorflow/tfjs-core';
