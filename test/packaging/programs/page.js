import { work } from './work.js';

const folder = new URLSearchParams(location.search).get('folder');
console.log(`page: ${await work(folder === null ? {} : { folder })}`);
const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
worker.onmessage = ({ data }) => console.log(`worker: ${data}`);
worker.onerror = ({ message }) => console.log(`worker: failed: ${message}`);
