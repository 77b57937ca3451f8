export { buildWebApp, type WebAppOptions } from './web-app.ts';
