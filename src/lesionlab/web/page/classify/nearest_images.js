/** What a reader may hold an answer against: the lesion in numbers, and training cases like it. Neither is an answer. */

import { html } from "../vendor/htm-preact.js";

/** @typedef {import("../session.js").Item} Item */
/** @typedef {import("../contract.js").Lesion} Lesion */
/** @typedef {import("../contract.js").SimilarCase} SimilarCase */

// From here on two decimals say 1.00.
const THE_SAME = 0.995;

/** @param {{ item: Item }} props */
export function Beside({ item }) {
  const { lesion, similar } = item.beside ?? {};
  return html`
    ${lesion !== undefined &&
    html`<section class="card" aria-labelledby="lesion-title">
      <h2 id="lesion-title">The lesion in numbers</h2>
      <${LesionInNumbers} lesion=${lesion} />
    </section>`}
    ${similar &&
    html`<section class="card" aria-labelledby="similar-title">
      <h2 id="similar-title">Most similar training cases</h2>
      <${SimilarCases} similar=${similar} />
    </section>`}
  `;
}

/** @param {{ lesion: Lesion | null }} props Null: none was found. */
export function LesionInNumbers({ lesion }) {
  if (!lesion) return html`<p class="lesion-numbers">No lesion was found that could be measured.</p>`;
  const [one, other] = lesion.asymmetry.map(whole);
  const colours = Object.entries(lesion.colours).map(([name, share]) => `${name} ${whole(share)}`);
  return html`
    <dl class="lesion-numbers">
      <div><dt>Asymmetry</dt><dd>${one} and ${other} of it find no partner when it is folded over its two axes</dd></div>
      <div><dt>Border</dt><dd>${whole(lesion.border_irregularity)} longer than around its convex hull</dd></div>
      <div><dt>Colours</dt><dd>${colours.join(", ")}</dd></div>
      <div>
        <dt>Size</dt>
        <dd>
          ${whole(lesion.area)} of the picture, ${whole(lesion.diameter)} of its longer side
          across${lesion.touches_border && ". It goes beyond the picture: shape and size are those of what is seen"}
        </dd>
      </div>
    </dl>
    <p class="quiet">
      Measured on the outline that a network has drawn. A picture has no scale, so there are no millimetres. Plain numbers, not a second
      diagnosis.
    </p>
  `;
}

/** @param {{ similar: SimilarCase[] }} props */
export function SimilarCases({ similar }) {
  const known = (similar[0]?.similarity ?? 0) >= THE_SAME;
  return html`
    <table class="similar">
      <thead>
        <tr><th scope="col">Image</th><th scope="col">The dataset's diagnosis</th><th scope="col">Similarity</th></tr>
      </thead>
      <tbody>
        ${similar.map(
          ({ image_id: id, name, similarity }) => html`<tr key=${id}>
            <th scope="row">${id}</th>
            <td>${name}</td>
            <td>${similarity.toFixed(2)}</td>
          </tr>`,
        )}
      </tbody>
    </table>
    ${known &&
    html`<p><b>The first is the same to the network.</b> Where the model was trained on this very picture, its answer proves nothing.</p>`}
    <p class="quiet">
      The training lesions most like this one to the network: at 1 it sees the same in both, at 0 nothing in common. Their diagnoses are the
      dataset's and say nothing of this lesion.
    </p>
  `;
}

/** @param {number} share */
function whole(share) {
  return `${(100 * share).toFixed(0)}%`;
}
