/** A worker's side of its messages, with their types: the project's own types of the global scope are those of Node and of pages. */
export interface WorkerScope<Sent, Received> {
  postMessage(message: Sent): void;
  addEventListener(type: 'message', listener: (event: MessageEvent<Received>) => void): void;
}

export function workerScope<Sent, Received>(): WorkerScope<Sent, Received> {
  return {
    postMessage: (message) => globalThis.postMessage(message),
    addEventListener: (type, listener) => globalThis.addEventListener(type, listener),
  };
}
