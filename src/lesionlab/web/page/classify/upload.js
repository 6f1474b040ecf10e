/** Upload of images: drop, file dialog, camera, or a synthetic example. */

import { EXAMPLES, exampleUrl, fetchExample } from "../examples.js";
import { onlyImages } from "../files.js";
import { ACCEPTED } from "../image_file.js";
import { t } from "../messages.js";
import { html, useState } from "../vendor/htm-preact.js";

/** @typedef {import("../session.js").Session} Session */

/** @param {{ session: Session, small: boolean }} props `small`: for a page that has images already. */
export function Upload({ session, small }) {
  const add = (/** @type {File[]} */ files) => session.add(files.map((file) => ({ file, name: file.name })));
  const addFolder = (/** @type {File[]} */ found) => {
    const { files, note } = onlyImages(found.map((file) => ({ file, name: file.webkitRelativePath || file.name })));
    session.add(files, { note: files.length > 0 ? note : `${t("files.none")} ${note}` });
  };
  return html`<section class=${small ? "upload card small" : "upload card"} aria-label=${t("upload.label")}>
    <div class="drop">
      <p class="drop-hint">${t(small ? "upload.hintSmall" : "upload.hint")}</p>
      <div class="actions">
        <${FileButton} label=${t(small ? "upload.add" : "upload.choose")} primary=${!small} multiple onFiles=${add} />
        <${FileButton} label=${t("upload.folder")} folder onFiles=${addFolder} />
        <${FileButton} label=${t("upload.camera")} camera onFiles=${add} />
      </div>
      ${!small && html`<p class="muted">${t("upload.advice")}</p>`}
    </div>
    <${Examples} session=${session} small=${small} />
  </section>`;
}

/**
 * @param {object} props
 * @param {string} props.label
 * @param {(files: File[]) => void} props.onFiles
 * @param {boolean} [props.primary]
 * @param {boolean} [props.multiple]
 * @param {boolean} [props.folder] Takes all files of a folder.
 * @param {boolean} [props.camera] Opens the camera of a phone.
 */
export function FileButton({ label, onFiles, primary = false, multiple = false, folder = false, camera = false }) {
  const onChange = (/** @type {Event & { currentTarget: HTMLInputElement }} */ { currentTarget }) => {
    const files = [...(currentTarget.files ?? [])];
    // Without this, choosing the same file again is no change.
    currentTarget.value = "";
    onFiles(files);
  };
  return html`<label class=${`button ${primary ? "primary" : ""} ${camera ? "camera" : ""} ${folder ? "folder" : ""}`}>
    <input
      class="visually-hidden"
      type="file"
      accept=${camera ? "image/*" : ACCEPTED}
      multiple=${multiple}
      webkitdirectory=${folder}
      capture=${camera ? "environment" : null}
      onChange=${onChange}
    />
    ${label}
  </label>`;
}

/** @param {{ session: Session, small: boolean }} props */
function Examples({ session, small }) {
  const [problem, setProblem] = useState("");
  const add = async (/** @type {import("../examples.js").Example} */ example) => {
    try {
      session.add([await fetchExample(example)]);
      setProblem("");
    } catch {
      setProblem(t("examples.failed"));
    }
  };
  const list = html`<ul class="examples">
    ${EXAMPLES.map(
      (example) =>
        html`<li key=${example.file}>
          <button type="button" onClick=${() => add(example)}>
            <img src=${exampleUrl(example)} alt="" width="80" height="60" loading="lazy" />
            <span><span class="visually-hidden">${t("examples.synthetic")} </span>${t(example.label)}</span>
          </button>
        </li>`,
    )}
  </ul>`;
  return html`<div class="example-box">
    ${small
      ? html`<details key=${session.items.length}><summary>${t("examples.title")}</summary><p class="muted">${t("examples.note")}</p>${list}</details>`
      : html`<h2 class="minor">${t("examples.try")}</h2><p class="muted">${t("examples.note")}</p>${list}`}
    ${problem && html`<p class="problem" role="alert">${problem}</p>`}
  </div>`;
}
