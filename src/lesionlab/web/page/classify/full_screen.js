/** Full screen for one element. */

import { useEffect, useState } from "../vendor/htm-preact.js";

/**
 * Whether an element fills the screen, and a function that changes it. Browsers without full screen for elements (iPhone)
 * fill the window instead, by the element's style.
 * @param {{ current: HTMLElement | null }} element
 * @returns {[boolean, (on: boolean) => void]}
 */
export function useFullScreen(element) {
  const [on, setOn] = useState(false);
  useEffect(() => {
    const onChange = () => setOn(document.fullscreenElement !== null && document.fullscreenElement === element.current);
    document.addEventListener("fullscreenchange", onChange);
    return () => document.removeEventListener("fullscreenchange", onChange);
  }, []);
  const change = (/** @type {boolean} */ next) => {
    if (document.fullscreenElement) void document.exitFullscreen();
    else if (next && element.current?.requestFullscreen) element.current.requestFullscreen().catch(() => setOn(true));
    else setOn(next);
  };
  return [on, change];
}
