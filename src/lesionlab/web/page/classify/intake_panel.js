/** Where images come in: drop, choose, photograph, or an example. */

import { EXAMPLES, exampleUrl, fetchExample } from "../examples.js";
import { ACCEPTED } from "../intake.js";
import { html, useState } from "../vendor/htm-preact.js";

/** @typedef {import("../session.js").Session} Session */

/** @param {{ session: Session, small: boolean }} props `small`: there are images already. */
export function Intake({ session, small }) {
  const take = (/** @type {File[]} */ files) => session.add(files.map((file) => ({ file, name: file.name })));
  return html`<section class=${small ? "intake card small" : "intake card"} aria-label="Add images">
    <div class="drop">
      <p class="drop-hint">Drop or paste images here${small ? "" : ", one or many"}</p>
      <div class="actions">
        <${FileButton} label=${small ? "Add images" : "Choose images"} primary=${!small} multiple onFiles=${take} />
        <${FileButton} label="Take a photograph" camera onFiles=${take} />
      </div>
      ${!small && html`<p class="quiet">${formats(session)} The whole picture counts: fill it with one lesion.</p>`}
    </div>
    <${Examples} session=${session} small=${small} />
  </section>`;
}

/** @param {Session} session */
function formats(session) {
  const all = session.model?.limits.formats ?? [];
  return all.length === 0 ? "" : `${all.slice(0, -1).join(", ")} or ${all.at(-1)}.`;
}

/**
 * @param {object} props
 * @param {string} props.label
 * @param {(files: File[]) => void} props.onFiles
 * @param {boolean} [props.primary]
 * @param {boolean} [props.multiple]
 * @param {boolean} [props.camera] Opens the camera at once on a phone.
 */
export function FileButton({ label, onFiles, primary = false, multiple = false, camera = false }) {
  const changed = (/** @type {Event & { currentTarget: HTMLInputElement }} */ { currentTarget }) => {
    const files = [...(currentTarget.files ?? [])];
    // Choosing the same file again is then a change too.
    currentTarget.value = "";
    onFiles(files);
  };
  return html`<label class=${`button ${primary ? "primary" : ""} ${camera ? "camera" : ""}`}>
    <input
      class="unseen"
      type="file"
      accept=${camera ? "image/*" : ACCEPTED}
      multiple=${multiple}
      capture=${camera ? "environment" : null}
      onChange=${changed}
    />
    ${label}
  </label>`;
}

/** @param {{ session: Session, small: boolean }} props */
function Examples({ session, small }) {
  const [problem, setProblem] = useState("");
  const take = async (/** @type {import("../examples.js").Example} */ example) => {
    try {
      session.add([await fetchExample(example)]);
      setProblem("");
    } catch {
      setProblem("The example cannot be fetched. Is the network up?");
    }
  };
  const list = html`<ul class="examples">
    ${EXAMPLES.map(
      (example) =>
        html`<li key=${example.file}>
          <button type="button" onClick=${() => take(example)}>
            <img src=${exampleUrl(example)} alt="" width="80" height="60" loading="lazy" />
            <span><span class="unseen">Synthetic </span>${example.label}</span>
          </button>
        </li>`,
    )}
  </ul>`;
  const words = "Drawn by a program: no skin, and no meaning in the answers.";
  return html`<div class="example-box">
    ${small
      ? html`<details key=${session.items.length}><summary>Synthetic examples</summary><p class="quiet">${words}</p>${list}</details>`
      : html`<h2 class="minor">Or try a synthetic example</h2><p class="quiet">${words}</p>${list}`}
    ${problem && html`<p class="problem" role="alert">${problem}</p>`}
  </div>`;
}
