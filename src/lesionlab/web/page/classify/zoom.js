/** Zoom and pan of an image, by mouse, touch and keyboard. */

import { useEffect, useRef, useState } from "../vendor/htm-preact.js";

/**
 * @typedef {object} View Part of the image that is shown.
 * @property {number} scale 1: the whole image fits.
 * @property {number} x Position of the image's left side, in widths of the image that fits.
 * @property {number} y The same for its upper side, in heights.
 *
 * @typedef {[x: number, y: number]} Point In widths and heights of the image that fits, from its upper left corner.
 */

const MAX_SCALE = 16;
const STEP = 1.5;
const DOUBLE_CLICK = 2.5;
const PAN = 0.15;
/** @type {Point} */
const MIDDLE = [0.5, 0.5];
/** @type {View} */
const FIT = { scale: 1, x: 0, y: 0 };

/**
 * Enlarge a view so that the image stays where it is at a point.
 * @param {View} view
 * @param {number} factor
 * @param {Point} point
 * @returns {View}
 */
function enlarged({ scale, x, y }, factor, [px, py]) {
  const next = Math.min(Math.max(scale * factor, 1), MAX_SCALE);
  return { scale: next, x: px - ((px - x) * next) / scale, y: py - ((py - y) * next) / scale };
}

/**
 * Move a view so that the image covers the pane, or is in its middle where it is smaller.
 * @param {View} view
 * @param {Point} room Size of the pane.
 * @returns {View}
 */
function contained({ scale, x, y }, [width, height]) {
  const along = (/** @type {number} */ position, /** @type {number} */ size) => {
    const margin = (size - 1) / 2;
    return scale <= size ? (1 - scale) / 2 : Math.min(Math.max(position, 1 + margin - scale), -margin);
  };
  return { scale, x: along(x, width), y: along(y, height) };
}

/**
 * A view with handlers for an element that holds one or more `.pane` with a `.stage` each, which are moved together.
 * @param {boolean} wheel Whether the wheel zooms without the Ctrl key, which it does not where it scrolls the page.
 */
export function useZoom(wheel) {
  const [view, setView] = useState(FIT);
  const panes = useRef(/** @type {HTMLElement | null} */ (null));
  const pointers = useRef(/** @type {Map<number, Point>} */ (new Map()));

  /** @param {(view: View) => View} next */
  const change = (next) =>
    setView((before) => {
      const [pane, stage] = [".pane", ".stage"].map((name) => panes.current?.querySelector(name));
      if (!pane?.clientWidth || !stage?.clientWidth) return FIT;
      return contained(next(before), [pane.clientWidth / stage.clientWidth, pane.clientHeight / stage.clientHeight]);
    });
  const zoom = (/** @type {number} */ factor, /** @type {Point} */ point = MIDDLE) => change((before) => enlarged(before, factor, point));
  const pan = (/** @type {number} */ x, /** @type {number} */ y) => change((before) => ({ ...before, x: before.x + x, y: before.y + y }));
  const fit = () => setView(FIT);

  useEffect(() => {
    const onWheel = (/** @type {WheelEvent} */ event) => {
      if (!event.ctrlKey && !wheel) return;
      event.preventDefault();
      zoom(2 ** (-event.deltaY / (event.ctrlKey ? 100 : 250)), pointOf(event));
    };
    // A handler that is set as an attribute cannot prevent scrolling.
    panes.current?.addEventListener("wheel", onWheel, { passive: false });
    return () => panes.current?.removeEventListener("wheel", onWheel);
  }, [wheel]);

  const handlers = {
    onPointerDown: (/** @type {PointerEvent} */ event) => {
      if (event.button !== 0) return;
      pointers.current.set(event.pointerId, pointOf(event));
      // Also while the mouse is outside the image.
      if (view.scale > 1 && event.target instanceof Element) event.target.setPointerCapture(event.pointerId);
    },
    onPointerMove: (/** @type {PointerEvent} */ event) => {
      const before = pointers.current.get(event.pointerId);
      if (!before || (view.scale === 1 && pointers.current.size === 1)) return;
      const point = pointOf(event);
      const other = [...pointers.current].find(([id]) => id !== event.pointerId)?.[1];
      pointers.current.set(event.pointerId, point);
      if (other) zoom(distance(point, other) / Math.max(distance(before, other), 0.01), middle(point, other));
      else pan(point[0] - before[0], point[1] - before[1]);
    },
    onPointerUp: (/** @type {PointerEvent} */ event) => void pointers.current.delete(event.pointerId),
    onPointerCancel: (/** @type {PointerEvent} */ event) => void pointers.current.delete(event.pointerId),
    onDblClick: (/** @type {MouseEvent} */ event) => (view.scale > 1 ? fit() : zoom(DOUBLE_CLICK, pointOf(event))),
  };

  /**
   * @param {string} key
   * @returns {boolean} Whether the key has a function.
   */
  const onKey = (key) => {
    /** @type {Record<string, () => void>} */
    const functions = { "+": () => zoom(STEP), "=": () => zoom(STEP), "-": () => zoom(1 / STEP), 0: fit };
    if (view.scale > 1) {
      Object.assign(functions, {
        ArrowLeft: () => pan(PAN, 0),
        ArrowRight: () => pan(-PAN, 0),
        ArrowUp: () => pan(0, PAN),
        ArrowDown: () => pan(0, -PAN),
      });
    }
    functions[key]?.();
    return key in functions;
  };
  return { view, panes, handlers, onKey, fit, enlarge: () => zoom(STEP), reduce: () => zoom(1 / STEP), atMost: view.scale >= MAX_SCALE };
}

/**
 * @param {MouseEvent} event
 * @returns {Point}
 */
function pointOf(event) {
  const target = event.target instanceof Element ? event.target : null;
  const stage = (target?.closest(".pane") ?? target)?.querySelector(".stage")?.getBoundingClientRect();
  return stage ? [(event.clientX - stage.left) / stage.width, (event.clientY - stage.top) / stage.height] : MIDDLE;
}

/**
 * @param {Point} a
 * @param {Point} b
 */
function distance(a, b) {
  return Math.hypot(a[0] - b[0], a[1] - b[1]);
}

/**
 * @param {Point} a
 * @param {Point} b
 * @returns {Point}
 */
function middle(a, b) {
  return [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
}
