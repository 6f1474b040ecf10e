/** Measures of the lesion, and the nearest training images. Neither is part of the prediction. */

import { decimal, wholePercent } from "../format.js";
import { catalogue, t } from "../messages.js";
import { html } from "../vendor/htm-preact.js";

/** @typedef {import("../item.js").Item} Item */
/** @typedef {import("../types.js").LesionMeasures} Lesion */
/** @typedef {import("../types.js").NearestImage} NearestImage */

// Rounds to 1.00.
const IDENTICAL = 0.995;

/** @param {{ item: Item }} props */
export function RelatedInformation({ item }) {
  const { lesion, nearest_images: images } = item.related ?? {};
  return html`
    ${lesion !== undefined &&
    html`<details class="card">
      <summary>${t("lesion.title")}</summary>
      <section aria-label=${t("lesion.title")}><${LesionMeasures} lesion=${lesion} /></section>
    </details>`}
    ${images &&
    html`<details class="card">
      <summary>${t("nearest.title")}</summary>
      <section aria-label=${t("nearest.title")}><${NearestImages} images=${images} /></section>
    </details>`}
  `;
}

/** @param {{ lesion: Lesion | null }} props Null: no lesion was found. */
export function LesionMeasures({ lesion }) {
  if (!lesion) return html`<p class="lesion-measures">${t("lesion.none")}</p>`;
  const [first = "", second = ""] = lesion.asymmetry.map(wholePercent);
  const colours = Object.entries(lesion.colours).map(([name, share]) => `${catalogue().colours[name] ?? name} ${wholePercent(share)}`);
  const size = t("lesion.sizeText", { area: wholePercent(lesion.area), diameter: wholePercent(lesion.diameter) });
  return html`
    <dl class="lesion-measures">
      <div><dt>${t("lesion.asymmetry")}</dt><dd>${t("lesion.asymmetryText", { first, second })}</dd></div>
      <div><dt>${t("lesion.border")}</dt><dd>${t("lesion.borderText", { share: wholePercent(lesion.border_irregularity) })}</dd></div>
      <div><dt>${t("lesion.colours")}</dt><dd>${colours.join(", ")}</dd></div>
      <div><dt>${t("lesion.size")}</dt><dd>${size}${lesion.touches_border && t("lesion.beyond")}</dd></div>
    </dl>
    <p class="muted">${t("lesion.note")}</p>
  `;
}

/** @param {{ images: NearestImage[] }} props */
export function NearestImages({ images }) {
  return html`
    <table class="nearest-images">
      <thead>
        <tr><th scope="col">${t("image")}</th><th scope="col">${t("nearest.diagnosis")}</th><th scope="col">${t("nearest.similarity")}</th></tr>
      </thead>
      <tbody>
        ${images.map(
          ({ image_id: id, code, name, similarity }) => html`<tr key=${id}>
            <th scope="row">${id}</th>
            <td>${catalogue().classes[code] ?? name}</td>
            <td>${decimal(similarity, 2)}</td>
          </tr>`,
        )}
      </tbody>
    </table>
    ${(images[0]?.similarity ?? 0) >= IDENTICAL && html`<p><b>${t("nearest.identical")}</b> ${t("nearest.identicalNote")}</p>`}
    <p class="muted">${t("nearest.note")}</p>
  `;
}
