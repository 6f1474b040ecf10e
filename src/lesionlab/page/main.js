/** Starts the page. */

import { ServerEngine } from "./api.js";
import { App } from "./app.js";
import { Session } from "./session.js";
import { restoreTheme } from "./theme.js";
import { html, render } from "./vendor/htm-preact.js";

restoreTheme();
// A file that is dropped beside its place would otherwise replace the page, and all that is on it.
for (const kind of ["dragover", "drop"]) addEventListener(kind, (event) => event.preventDefault());
/** @type {Session} */
const session = new Session(new ServerEngine((wrong) => session.askKey(wrong)));
const root = document.getElementById("app");
if (root) render(html`<${App} session=${session} />`, root);
void session.loadModel();
