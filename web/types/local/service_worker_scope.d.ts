/** What the service worker uses of its own global scope; TypeScript's `webworker` library cannot stand beside `dom`. */

export interface Waiting extends Event {
  waitUntil(done: Promise<unknown>): void;
}

export interface Fetching extends Event {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

export interface Scope {
  readonly registration: ServiceWorkerRegistration;
  readonly clients: { claim(): Promise<void> };
  /** Put before the code by `lesionlab site`. */
  readonly site: { version: string; files: string[] };
  addEventListener(kind: "install" | "activate", listener: (event: Waiting) => void): void;
  addEventListener(kind: "fetch", listener: (event: Fetching) => void): void;
}
