/** Starts the page of `lesionlab serve`. */

import { smallCopy } from "../copy/client.js";
import { Session } from "../session.js";
import { start } from "../start.js";
import { html } from "../vendor/htm-preact.js";
import { ServerEngine } from "./engine.js";
import { KeyDialog } from "./key_dialog.js";

/** @type {Session} */
const session = new Session(
  new ServerEngine((rejected) => session.requestKey(rejected)),
  "privacy.server",
  smallCopy,
);
start(session, html`<${KeyDialog} session=${session} />`);
