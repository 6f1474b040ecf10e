/** Buttons for the report, and the report itself, which shows on paper only. */

import { dataUrl } from "../download.js";
import { drawHeat } from "../heat.js";
import { scaled } from "../intake.js";
import { html, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { downloadReport, Report } from "./report.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../session.js").Item} Item */
/** @typedef {import("./report.js").Pictures} Pictures */
/** @typedef {import("../contract.js").Explanation} Explanation */

const SIDE = 560;

/** @param {{ session: Session, item: Item, diagnosis: string, children?: unknown }} props */
export function ReportActions({ session, item, diagnosis, children }) {
  const pictures = usePictures(session, item, diagnosis);
  const holder = useRef(/** @type {HTMLElement | null} */ (null));
  const [problem, setProblem] = useState("");
  const save = async () => {
    try {
      if (holder.current?.firstElementChild) await downloadReport(holder.current.firstElementChild, item.name);
      setProblem("");
    } catch {
      setProblem("The report cannot be put together: its style cannot be fetched. Printing still works.");
    }
  };
  return html`
    <div class="actions">
      <button type="button" onClick=${save}>Download the report</button>
      <button type="button" onClick=${() => print()}>Print the report</button>
      ${children}
    </div>
    ${problem && html`<p class="problem" role="alert">${problem}</p>`}
    <div class="on-paper" ref=${holder}><${Report} session=${session} item=${item} pictures=${pictures} /></div>
  `;
}

/**
 * The image, and the image under its heat map, as they go into the report.
 * @param {Session} session
 * @param {Item} item
 * @param {string} diagnosis
 * @returns {Pictures}
 */
function usePictures(session, item, diagnosis) {
  const [pictures, setPictures] = useState({ photograph: "", overlay: "", overlayName: "" });
  const explanation = item.maps.get(diagnosis);
  const { opacity } = session;
  useEffect(() => {
    let wanted = true;
    // While the slider moves there is no use in drawing.
    const timer = setTimeout(async () => {
      const drawn = await draw(item, typeof explanation === "string" ? undefined : explanation, opacity).catch(() => null);
      if (wanted && drawn) setPictures(drawn);
    }, 150);
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [item, explanation, opacity]);
  return pictures;
}

/**
 * @param {Item} item
 * @param {Explanation | undefined} explanation
 * @param {number} opacity
 * @returns {Promise<Pictures>}
 */
async function draw(item, explanation, opacity) {
  const small = await scaled(item.file, SIDE);
  const photograph = await dataUrl(small);
  if (!explanation) return { photograph, overlay: "", overlayName: "" };
  const bitmap = await createImageBitmap(small);
  const [canvas, heat] = [document.createElement("canvas"), document.createElement("canvas")];
  Object.assign(canvas, { width: bitmap.width, height: bitmap.height });
  drawHeat(heat, explanation);
  const context = canvas.getContext("2d");
  if (!context) return { photograph, overlay: "", overlayName: "" };
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  context.globalAlpha = opacity;
  context.drawImage(heat, 0, 0, canvas.width, canvas.height);
  return { photograph, overlay: canvas.toDataURL("image/jpeg", 0.88), overlayName: explanation.name };
}
