/** The frame of the page: research-only notice, navigation and footer. */

import { ClassifyView } from "./classify/view.js";
import { CompareView } from "./compare/view.js";
import { RESEARCH_ONLY } from "./format.js";
import { PerformanceView } from "./performance/view.js";
import { isDark, setTheme } from "./theme.js";
import { useSession } from "./use_session.js";
import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";

/** @typedef {import("./session.js").Session} Session */

const DEFAULT_VIEW = "#classify";
const VIEWS = [
  { hash: DEFAULT_VIEW, label: "Classify", view: ClassifyView },
  { hash: "#performance", label: "Performance", view: PerformanceView },
  { hash: "#compare", label: "Compare", view: CompareView },
];

/** @param {{ session: Session, children?: unknown }} props `children`: components for one of the engines only. */
export function App({ session, children }) {
  useSession(session);
  const [hash, main] = useView();
  const current = VIEWS.find((view) => view.hash === hash) ?? VIEWS[0];

  return html`
    <a class="skip-link" href="#main" onClick=${(/** @type {Event} */ event) => focus(event, main.current)}>Skip to the content</a>
    <header class="top">
      <p class="research-notice">${RESEARCH_ONLY}</p>
      <div class="top-bar">
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
      ${session.modelProblem && html`<${ModelProblem} session=${session} />`}
      <${current?.view} session=${session} />
    </main>
    <${Footer} session=${session} />
    <p class="visually-hidden" role="status">${session.announcement}</p>
    ${children}
  `;
}

/**
 * The view in the address. After a change of view the content is focused, and the page is scrolled to its top.
 * @returns {[string, { current: HTMLElement | null }]}
 */
function useView() {
  const main = useRef(/** @type {HTMLElement | null} */ (null));
  const [hash, setHash] = useState(location.hash || DEFAULT_VIEW);
  useEffect(() => {
    const onChange = () => {
      setHash(location.hash || DEFAULT_VIEW);
      main.current?.focus({ preventScroll: true });
      scrollTo(0, 0);
    };
    addEventListener("hashchange", onChange);
    return () => removeEventListener("hashchange", onChange);
  }, []);
  useEffect(() => {
    document.title = `${VIEWS.find((view) => view.hash === hash)?.label ?? "Classify"} · lesionlab`;
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
    const onChange = () => setDark(isDark());
    system.addEventListener("change", onChange);
    return () => system.removeEventListener("change", onChange);
  }, []);
  const toggle = () => {
    setTheme(!dark);
    setDark(!dark);
  };
  return html`<button type="button" class="plain-button theme" aria-pressed=${String(dark)} onClick=${toggle}>
    <span aria-hidden="true">${dark ? "☾" : "☀"}</span> Dark
  </button>`;
}

/** @param {{ session: Session }} props */
function ModelProblem({ session }) {
  return html`<div class="banner" role="alert">
    <strong>The model is not available</strong>
    <p>${session.modelProblem} The images and results on this page are kept.</p>
    <button type="button" onClick=${() => session.loadModel()}>Try again</button>
  </div>`;
}

/** @param {{ session: Session }} props */
function Footer({ session }) {
  const { model } = session;
  return html`<footer>
    ${model &&
    html`<p>
      Model <b>${model.model.identity}</b>, created ${model.created}, licence ${model.licence}. lesionlab ${model.version}.
    </p>`}
    <p>${session.privacy}</p>
  </footer>`;
}
