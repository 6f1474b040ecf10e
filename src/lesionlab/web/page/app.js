/** The frame of the page: research-only notice, navigation and footer. */

import { ClassifyView } from "./classify/view.js";
import { CompareView } from "./compare/view.js";
import { CATALOGUES, currentLanguage, setLanguage, t } from "./messages.js";
import { PerformanceView } from "./performance/view.js";
import { isDark, setTheme } from "./theme.js";
import { useSession } from "./use_session.js";
import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";

/** @typedef {import("./session.js").Session} Session */

const DEFAULT_VIEW = "#classify";
/** @type {{ hash: string, label: import("./messages.js").MessageKey, view: unknown }[]} */
const VIEWS = [
  { hash: DEFAULT_VIEW, label: "nav.classify", view: ClassifyView },
  { hash: "#performance", label: "nav.performance", view: PerformanceView },
  { hash: "#compare", label: "nav.compare", view: CompareView },
];

/** @param {{ session: Session, children?: unknown }} props `children`: components for one of the engines only. */
export function App({ session, children }) {
  useSession(session);
  const [hash, main] = useView();
  const current = VIEWS.find((view) => view.hash === hash) ?? VIEWS[0];

  return html`
    <a class="skip-link" href="#main" onClick=${(/** @type {Event} */ event) => focus(event, main.current)}>${t("nav.skip")}</a>
    <header class="top">
      <p class="research-notice">${t("researchOnly")}</p>
      <div class="top-bar">
        <span class="brand"><img src=${new URL("icon.svg", import.meta.url).href} alt="" width="26" height="26" /><span class="brand-name">lesionlab</span></span>
        <nav aria-label=${t("nav.views")}>
          <ul>
            ${VIEWS.map(
              ({ hash: target, label }) =>
                html`<li key=${target}><a href=${target} aria-current=${target === current?.hash ? "page" : null}>${t(label)}</a></li>`,
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
    document.title = `${t(VIEWS.find((view) => view.hash === hash)?.label ?? "nav.classify")} · lesionlab`;
  }, [hash, currentLanguage()]);
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
    <span aria-hidden="true">${dark ? "☾" : "☀"}</span> <span class="theme-name">${t("theme.dark")}</span>
  </button>`;
}

/** @param {{ session: Session }} props */
function ModelProblem({ session }) {
  return html`<div class="banner" role="alert">
    <strong>${t("model.unavailable")}</strong>
    <p>${session.modelProblem} ${t("model.kept")}</p>
    <button type="button" onClick=${() => session.loadModel()}>${t("tryAgain")}</button>
  </div>`;
}

/** @param {{ session: Session }} props */
function Footer({ session }) {
  const { model } = session;
  return html`<footer>
    ${model &&
    html`<p>
      ${t("model")} <b>${model.model.identity}</b>, ${t("model.created", { date: model.created, licence: model.licence })} lesionlab ${model.version}.
    </p>`}
    <p>${session.privacy.map((key) => t(key)).join(" ")}</p>
    <${LanguageSelector} session=${session} />
  </footer>`;
}

/** @param {{ session: Session }} props */
function LanguageSelector({ session }) {
  const onChange = (/** @type {Event & { currentTarget: HTMLSelectElement }} */ { currentTarget }) => {
    setLanguage(currentTarget.value);
    session.set({});
  };
  return html`<p class="language">
    <label for="language">${t("language")}</label>
    <select id="language" value=${currentLanguage()} onChange=${onChange}>
      ${Object.entries(CATALOGUES).map(
        ([code, { name }]) => html`<option key=${code} value=${code} lang=${code} selected=${code === currentLanguage()}>${name}</option>`,
      )}
    </select>
  </p>`;
}
