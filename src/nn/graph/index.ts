/** Model graphs: types, builder, clear interpreter, affine maps, passes. */
export * from './clear-interpreter.ts';
export * from './element-functions.ts';
export * from './graph-builder.ts';
export * from './index-maps.ts';
export * from './layer-model.ts';
export * from './linear-composition.ts';
export * from './linear-map.ts';
export * from './model-graph.ts';
export * from './polynomial-model.ts';
export * from './tail-graph.ts';
