/** Starts the page of a static build, with the model in the browser. */

import { Session } from "../session.js";
import { start } from "../start.js";
import { LocalEngine } from "./engine.js";
import { storeForOfflineUse } from "./offline.js";

const engine = new LocalEngine();
const session = new Session(engine, "privacy.browser");
start(session);
// After the model is loaded, since its files are then in the browser's cache and are not downloaded twice.
void engine
  .model()
  .then(storeForOfflineUse)
  .then((stored) => stored && session.set({ privacy: [...session.privacy, "privacy.offline"] }))
  .catch(() => {});
