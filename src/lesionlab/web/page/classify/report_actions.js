/** Buttons for the report, and the report itself, which is visible in print only. */

import { dataUrl } from "../download.js";
import { drawHeatMap } from "../heat_map.js";
import { scaledJpeg } from "../image_file.js";
import { t } from "../messages.js";
import { html, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { downloadReport, Report, usePrintedReport } from "./report.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../item.js").Item} Item */
/** @typedef {import("./report.js").Images} Images */
/** @typedef {import("../types.js").Explanation} Explanation */

const SIDE = 560;

/** @param {{ session: Session, item: Item, code: string, children?: unknown }} props */
export function ReportActions({ session, item, code, children }) {
  usePrintedReport("prints-image");
  const images = useImages(session, item, code);
  const container = useRef(/** @type {HTMLElement | null} */ (null));
  const [problem, setProblem] = useState("");
  const save = async () => {
    try {
      if (container.current?.firstElementChild) await downloadReport(container.current.firstElementChild, item.name);
      setProblem("");
    } catch {
      setProblem(t("report.failed"));
    }
  };
  return html`
    <div class="actions">
      <button type="button" onClick=${save}>${t("report.download")}</button>
      <button type="button" onClick=${() => print()}>${t("report.print")}</button>
      ${children}
    </div>
    ${problem && html`<p class="problem" role="alert">${problem}</p>`}
    <div class="print-only" ref=${container}><${Report} session=${session} item=${item} images=${images} /></div>
  `;
}

/**
 * The image, and the image with its heat map, for the report.
 * @param {Session} session
 * @param {Item} item
 * @param {string} code
 * @returns {Images}
 */
function useImages(session, item, code) {
  const [images, setImages] = useState({ original: "", overlay: "", code: "" });
  const explanation = item.explanations.get(code);
  const { opacity } = session;
  useEffect(() => {
    let current = true;
    // Wait until the slider stops.
    const timer = setTimeout(async () => {
      const drawn = await draw(item, explanation, opacity).catch(() => null);
      if (current && drawn) setImages(drawn);
    }, 150);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [item, explanation, opacity]);
  return images;
}

/**
 * @param {Item} item
 * @param {Explanation | null | undefined} explanation
 * @param {number} opacity
 * @returns {Promise<Images>}
 */
async function draw(item, explanation, opacity) {
  const small = await scaledJpeg(item.file, SIDE);
  const original = await dataUrl(small);
  if (!explanation) return { original, overlay: "", code: "" };
  const bitmap = await createImageBitmap(small);
  const [canvas, heat] = [document.createElement("canvas"), document.createElement("canvas")];
  Object.assign(canvas, { width: bitmap.width, height: bitmap.height });
  drawHeatMap(heat, explanation);
  const context = canvas.getContext("2d");
  if (!context) return { original, overlay: "", code: "" };
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  context.globalAlpha = opacity;
  context.drawImage(heat, 0, 0, canvas.width, canvas.height);
  return { original, overlay: canvas.toDataURL("image/jpeg", 0.88), code: explanation.code };
}
