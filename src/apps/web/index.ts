export { EdgePair } from './edge-pair.ts';
export { buildWebApp, type WebAppOptions } from './web-app.ts';
