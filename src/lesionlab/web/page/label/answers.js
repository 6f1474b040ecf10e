/** The answers to a lesion, each with its key. */

import { html, useLayoutEffect } from "../vendor/htm-preact.js";

const DIAGNOSIS_KEYS = "123456789qw";
/** @type {{ key: string, answer: string, label: string }[]} */
const OTHERS = [
  { key: "c", answer: "cannot tell", label: "Cannot tell" },
  { key: "d", answer: "not dermoscopic", label: "Not dermoscopic" },
  { key: "s", answer: "skip", label: "Skip" },
];

/**
 * @param {object} props
 * @param {{ code: string, name: string }[]} props.diagnoses
 * @param {boolean} props.adjudicating Without a skip.
 * @param {(answer: string, diagnosis: string | null) => void} props.onAnswer
 * @param {() => void} props.onUndo
 * @param {boolean} props.undoable
 * @param {boolean} props.outlined Whether the outline of the lesion is shown.
 * @param {() => void} props.onOutline
 */
export function Answers({ diagnoses, adjudicating, onAnswer, onUndo, undoable, outlined, onOutline }) {
  const others = OTHERS.filter(({ answer }) => !adjudicating || answer !== "skip");
  // Before the lesion is painted, so that no key is lost or meant for the lesion before.
  useLayoutEffect(() => {
    const onKeyUp = (/** @type {KeyboardEvent} */ event) => {
      const typing = event.target instanceof HTMLInputElement;
      if (event.ctrlKey || event.metaKey || event.altKey || typing) return;
      const key = event.key.toLowerCase();
      const diagnosis = diagnoses[DIAGNOSIS_KEYS.indexOf(key)];
      const other = others.find((one) => one.key === key);
      if (diagnosis) onAnswer("diagnosis", diagnosis.code);
      else if (other) onAnswer(other.answer, null);
      else if (key === "z" && undoable) onUndo();
      else if (key === "o") onOutline();
      else if (key === "n") document.getElementById("note")?.focus();
    };
    addEventListener("keyup", onKeyUp); // once for a key that is held down
    return () => removeEventListener("keyup", onKeyUp);
  });
  return html`<div class="answers" role="group" aria-label="Diagnosis">
      ${diagnoses.map(
        ({ code, name }, place) =>
          html`<button key=${code} type="button" data-code=${code} onClick=${() => onAnswer("diagnosis", code)}><kbd>${DIAGNOSIS_KEYS[place]}</kbd> ${name}</button>`,
      )}
    </div>
    <div class="answers other" role="group" aria-label="Other answers">
      ${others.map(
        ({ key, answer, label }) =>
          html`<button key=${answer} type="button" data-answer=${answer} onClick=${() => onAnswer(answer, null)}><kbd>${key}</kbd> ${label}</button>`,
      )}
      <button type="button" disabled=${!undoable} onClick=${onUndo}><kbd>z</kbd> Undo</button>
      <button type="button" aria-pressed=${String(outlined)} onClick=${onOutline}><kbd>o</kbd> Outline</button>
    </div>`;
}
