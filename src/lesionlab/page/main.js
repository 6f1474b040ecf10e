/** Starts the page. */

import { ServerEngine } from "./api.js";
import { App } from "./app.js";
import { Session } from "./session.js";
import { restoreTheme } from "./theme.js";
import { html, render } from "./vendor/htm-preact.js";

restoreTheme();
/** @type {Session} */
const session = new Session(new ServerEngine((wrong) => session.askKey(wrong)));
const root = document.getElementById("app");
if (root) render(html`<${App} session=${session} />`, root);
void session.loadModel();
