/** Measures of the lesion, and the nearest training images. Neither is part of the prediction. */

import { wholePercent } from "../format.js";
import { html } from "../vendor/htm-preact.js";

/** @typedef {import("../session.js").Item} Item */
/** @typedef {import("../types.js").LesionMeasures} Lesion */
/** @typedef {import("../types.js").NearestImage} NearestImage */

// Rounds to 1.00.
const IDENTICAL = 0.995;

/** @param {{ item: Item }} props */
export function RelatedInformation({ item }) {
  const { lesion, nearest_images: images } = item.related ?? {};
  return html`
    ${lesion !== undefined &&
    html`<section class="card" aria-labelledby="lesion-title">
      <h2 id="lesion-title">Lesion measures</h2>
      <${LesionMeasures} lesion=${lesion} />
    </section>`}
    ${images &&
    html`<section class="card" aria-labelledby="nearest-title">
      <h2 id="nearest-title">Nearest training images</h2>
      <${NearestImages} images=${images} />
    </section>`}
  `;
}

/** @param {{ lesion: Lesion | null }} props Null: no lesion was found. */
export function LesionMeasures({ lesion }) {
  if (!lesion) return html`<p class="lesion-measures">No lesion was found.</p>`;
  const [first, second] = lesion.asymmetry.map(wholePercent);
  const colours = Object.entries(lesion.colours).map(([name, share]) => `${name} ${wholePercent(share)}`);
  return html`
    <dl class="lesion-measures">
      <div><dt>Asymmetry</dt><dd>${first} and ${second} of the area have no counterpart across the two principal axes</dd></div>
      <div><dt>Border</dt><dd>${wholePercent(lesion.border_irregularity)} longer than its convex hull</dd></div>
      <div><dt>Colours</dt><dd>${colours.join(", ")}</dd></div>
      <div>
        <dt>Size</dt>
        <dd>
          ${wholePercent(lesion.area)} of the image, ${wholePercent(lesion.diameter)} of its longer
          side${lesion.touches_border && "; it extends beyond the image, so its measures refer to the visible part"}
        </dd>
      </div>
    </dl>
    <p class="muted">
      Measured on the outline of an automatic segmentation. Without a scale there are no millimetres. The measures are not part of the
      prediction.
    </p>
  `;
}

/** @param {{ images: NearestImage[] }} props */
export function NearestImages({ images }) {
  return html`
    <table class="nearest-images">
      <thead>
        <tr><th scope="col">Image</th><th scope="col">Diagnosis in the dataset</th><th scope="col">Similarity</th></tr>
      </thead>
      <tbody>
        ${images.map(
          ({ image_id: id, name, similarity }) => html`<tr key=${id}>
            <th scope="row">${id}</th>
            <td>${name}</td>
            <td>${similarity.toFixed(2)}</td>
          </tr>`,
        )}
      </tbody>
    </table>
    ${(images[0]?.similarity ?? 0) >= IDENTICAL &&
    html`<p><b>The first training image has the same features.</b> If it is this image, the prediction is not independent of the training data.</p>`}
    <p class="muted">
      Training images with the most similar features, one of each lesion: 1 for equal features, 0 for unrelated ones. Their diagnoses come
      from the dataset and are not part of the prediction.
    </p>
  `;
}
