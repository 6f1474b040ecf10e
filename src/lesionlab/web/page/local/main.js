/** Starts the page as a site of its own, with the model inside the browser. */

import { Session } from "../session.js";
import { start } from "../start.js";
import { LocalEngine } from "./engine.js";
import { storedForLater } from "./offline.js";

const PRIVACY = "Images never leave this device: the model runs inside this browser.";

const engine = new LocalEngine();
const session = new Session(engine, PRIVACY);
start(session);
// Only then, so that nothing is fetched twice: the model's files are in the browser's cache by now.
void engine
  .model()
  .then(storedForLater)
  .then((stored) => stored && session.set({ privacy: `${PRIVACY} It is stored here, and works without a network.` }))
  .catch(() => {});
