/** Asks for the server's API key. It is kept in memory only, as long as the page is open. */

import { useChanges } from "../use_changes.js";
import { html, useLayoutEffect, useRef } from "../vendor/htm-preact.js";

/** @param {{ session: import("../session.js").Session }} props */
export function KeyDialog({ session }) {
  useChanges(session);
  const wanted = session.keyWanted;
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  useLayoutEffect(() => {
    if (wanted && !dialog.current?.open) dialog.current?.showModal();
    if (!wanted) dialog.current?.close();
  }, [wanted]);

  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const key = input.current?.value ?? "";
    if (input.current) input.current.value = "";
    wanted?.answer(key || null);
  };
  const cancel = (/** @type {Event} */ event) => {
    event.preventDefault();
    wanted?.answer(null);
  };
  // The browser may close it too. When it opens again at once, for a wrong key, the news of the closing comes late.
  const closed = () => {
    if (!dialog.current?.open) wanted?.answer(null);
  };
  return html`<dialog ref=${dialog} onCancel=${cancel} onClose=${closed} aria-labelledby="key-title">
    <form onSubmit=${submit}>
      <h2 id="key-title">This server wants its API key</h2>
      <p>${wanted?.wrong ? "That key was not accepted. " : ""}Whoever started the server knows it. Your images wait here meanwhile.</p>
      <label for="key">API key</label>
      <input id="key" ref=${input} type="password" autocomplete="off" spellcheck=${false} aria-invalid=${wanted?.wrong ? "true" : null} />
      <div class="actions">
        <button type="submit" class="primary">Use this key</button>
        <button type="button" onClick=${cancel}>Cancel</button>
      </div>
    </form>
  </dialog>`;
}
