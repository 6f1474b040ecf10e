/** The frame of the page: the research-only line, the way between the views, and what every view needs. */

import { CompareView } from "./compare/view.js";
import { RESEARCH_ONLY } from "./format.js";
import { JudgeView } from "./judge/view.js";
import { QualityView } from "./quality/view.js";
import { chooseTheme, isDark } from "./theme.js";
import { useChanges } from "./use_changes.js";
import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";

/** @typedef {import("./session.js").Session} Session */

const VIEWS = [
  { hash: "#judge", label: "Judge", view: JudgeView },
  { hash: "#quality", label: "How good is it", view: QualityView },
  { hash: "#compare", label: "Side by side", view: CompareView },
];

/** @param {{ session: Session, children?: unknown }} props `children`: what only one of the engines needs. */
export function App({ session, children }) {
  useChanges(session);
  const [hash, main] = useView();
  const current = VIEWS.find((view) => view.hash === hash) ?? VIEWS[0];

  return html`
    <a class="skip" href="#main" onClick=${(/** @type {Event} */ event) => focus(event, main.current)}>Skip to the content</a>
    <header class="top">
      <p class="research">${RESEARCH_ONLY}</p>
      <div class="bar-top">
        <span class="brand"><img src=${new URL("icon.svg", import.meta.url).href} alt="" width="26" height="26" /> lesionlab</span>
        <nav aria-label="Views">
          <ul>
            ${VIEWS.map(
              ({ hash: target, label }) =>
                html`<li key=${target}><a href=${target} aria-current=${target === current?.hash ? "page" : null}>${label}</a></li>`,
            )}
          </ul>
        </nav>
        <${ThemeSwitch} />
      </div>
    </header>
    <main ref=${main} tabindex="-1">
      ${session.modelProblem && html`<${Away} session=${session} />`}
      <${current?.view} session=${session} />
    </main>
    <${Foot} session=${session} />
    <p class="unseen" role="status">${session.said}</p>
    ${children}
  `;
}

/**
 * The view that the address names. After a change of view the content has the focus, and the page starts at its top.
 * @returns {[string, { current: HTMLElement | null }]}
 */
function useView() {
  const main = useRef(/** @type {HTMLElement | null} */ (null));
  const [hash, setHash] = useState(location.hash || "#judge");
  useEffect(() => {
    const changed = () => {
      setHash(location.hash || "#judge");
      main.current?.focus({ preventScroll: true });
      scrollTo(0, 0);
    };
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  useEffect(() => {
    document.title = `${VIEWS.find((view) => view.hash === hash)?.label ?? "Judge"} · lesionlab`;
  }, [hash]);
  return [hash, main];
}

/**
 * @param {Event} event
 * @param {HTMLElement | null} target
 */
function focus(event, target) {
  event.preventDefault();
  target?.focus();
}

function ThemeSwitch() {
  const [dark, setDark] = useState(isDark);
  useEffect(() => {
    const system = matchMedia("(prefers-color-scheme: dark)");
    const changed = () => setDark(isDark());
    system.addEventListener("change", changed);
    return () => system.removeEventListener("change", changed);
  }, []);
  const change = () => {
    chooseTheme(!dark);
    setDark(!dark);
  };
  return html`<button type="button" class="quiet-button theme" aria-pressed=${String(dark)} onClick=${change}>
    <span aria-hidden="true">${dark ? "☾" : "☀"}</span> Dark
  </button>`;
}

/** @param {{ session: Session }} props */
function Away({ session }) {
  return html`<div class="banner" role="alert">
    <strong>The model cannot be reached.</strong>
    <p>${session.modelProblem} Whatever you have on this page stays here.</p>
    <button type="button" onClick=${() => session.loadModel()}>Try again</button>
  </div>`;
}

/** @param {{ session: Session }} props */
function Foot({ session }) {
  const { model } = session;
  return html`<footer>
    ${model &&
    html`<p>
      Model <b>${model.bundle.identity}</b>, made ${model.created}, licence ${model.licence}. lesionlab ${model.version}.
    </p>`}
    <p>${session.privacy}</p>
  </footer>`;
}
