/** Draws a component anew after each change of the session. */

import { useLayoutEffect, useReducer } from "./vendor/htm-preact.js";

/** @param {import("./session.js").Session} session */
export function useChanges(session) {
  const [, redraw] = useReducer((/** @type {number} */ count) => count + 1, 0);
  // Before the first answer can come: an effect would wait for the next frame.
  useLayoutEffect(() => session.subscribe(() => redraw(undefined)), [session]);
}
