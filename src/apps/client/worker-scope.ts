/** What there is of a worker's global scope: the types of the project are those of Node and of pages, where it has another. */
export interface WorkerScope<Sent, Received> {
  postMessage(message: Sent, transfer?: Transferable[]): void;
  addEventListener(type: 'message', listener: (event: MessageEvent<Received>) => void): void;
}

export function workerScope<Sent, Received>(): WorkerScope<Sent, Received> {
  return globalThis as unknown as WorkerScope<Sent, Received>;
}
