/** Rerenders a component after each change of the session. */

import { useLayoutEffect, useReducer } from "./vendor/htm-preact.js";

/** @param {import("./session.js").Session} session */
export function useSession(session) {
  const [, rerender] = useReducer((/** @type {number} */ count) => count + 1, 0);
  // A layout effect subscribes before the first change; an effect runs after the next frame.
  useLayoutEffect(() => session.subscribe(() => rerender(undefined)), [session]);
}
