export { EdgePair } from './edge-pair.ts';
export { TrainingDesk } from './training-desk.ts';
export { buildWebApp, type WebAppOptions } from './web-app.ts';
export * from './pages/wake-messages.ts';
