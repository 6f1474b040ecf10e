/** The dialog for the server's API key, which is kept in memory only. */

import { t } from "../messages.js";
import { useSession } from "../use_session.js";
import { html, useLayoutEffect, useRef } from "../vendor/htm-preact.js";

/** @param {{ session: import("../session.js").Session }} props */
export function KeyDialog({ session }) {
  useSession(session);
  const request = session.keyRequest;
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  useLayoutEffect(() => {
    if (request && !dialog.current?.open) dialog.current?.showModal();
    if (!request) dialog.current?.close();
  }, [request]);

  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const key = input.current?.value ?? "";
    if (input.current) input.current.value = "";
    request?.submit(key || null);
  };
  const cancel = (/** @type {Event} */ event) => {
    event.preventDefault();
    request?.submit(null);
  };
  // The browser may close the dialog. After a rejected key it opens again before the close event arrives.
  const closed = () => {
    if (!dialog.current?.open) request?.submit(null);
  };
  return html`<dialog ref=${dialog} onCancel=${cancel} onClose=${closed} aria-labelledby="key-title">
    <form onSubmit=${submit}>
      <h2 id="key-title">${t("key.title")}</h2>
      <p>${request?.rejected && `${t("key.rejected")} `}${t("key.note")}</p>
      <label for="key">${t("key.label")}</label>
      <input id="key" ref=${input} type="password" autocomplete="off" spellcheck=${false} aria-invalid=${request?.rejected ? "true" : null} />
      <div class="actions">
        <button type="submit" class="primary">${t("key.use")}</button>
        <button type="button" onClick=${cancel}>${t("cancel")}</button>
      </div>
    </form>
  </dialog>`;
}
