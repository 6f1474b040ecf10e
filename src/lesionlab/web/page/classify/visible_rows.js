/** The rows of a long list that are in view: only these are in the document, so that hundreds of images stay fluid. */

import { useEffect, useLayoutEffect, useState } from "../vendor/htm-preact.js";

// A shorter list is in the document as a whole, for the browser's own search.
const LONG = 60;
const MARGIN = 8;
const GUESS = 72;

/**
 * @param {{ current: HTMLElement | null }} body The element that holds the rows, all of the same height in a long list.
 * @param {number} count
 * @returns {{ first: number, last: number, above: number, below: number, virtual: boolean }} The range of rows, and the
 *   height in pixels of the rows above and below it.
 */
export function useVisibleRows(body, count) {
  const [view, setView] = useState({ top: 0, height: innerHeight, width: innerWidth });
  const [rowHeight, setRowHeight] = useState(GUESS);
  const virtual = count > LONG;
  useEffect(() => {
    if (!virtual) return undefined;
    let frame = 0;
    const measure = () => {
      frame = 0;
      const top = -(body.current?.getBoundingClientRect().top ?? 0);
      setView({ top, height: innerHeight, width: innerWidth });
    };
    const onScroll = () => (frame ||= requestAnimationFrame(measure));
    measure();
    addEventListener("scroll", onScroll, { passive: true });
    addEventListener("resize", onScroll);
    return () => {
      cancelAnimationFrame(frame);
      removeEventListener("scroll", onScroll);
      removeEventListener("resize", onScroll);
    };
  }, [virtual, count]);
  // Not after each change of the rows: were one of another height, its measure would change the rows again, without end.
  useLayoutEffect(() => {
    const row = virtual ? body.current?.querySelector("tr:not(.spacer)") : null;
    const height = row?.getBoundingClientRect().height ?? 0;
    if (height > 0 && Math.abs(height - rowHeight) > 0.5) setRowHeight(height);
  }, [virtual, count, view.width]);
  if (!virtual) return { first: 0, last: count, above: 0, below: 0, virtual };
  const start = Math.max(0, Math.floor(view.top / rowHeight) - MARGIN);
  const first = Math.min(start, Math.max(0, count - 1));
  const last = Math.min(count, Math.ceil((view.top + view.height) / rowHeight) + MARGIN);
  return { first, last: Math.max(last, first + 1), above: first * rowHeight, below: Math.max(0, count - last) * rowHeight, virtual };
}
