/** The frame of the page: research-only notice, navigation and footer. */

import { parseAddress } from "./address.js";
import { SelectionReport } from "./classify/selection_report.js";
import { ClassifyView } from "./classify/view.js";
import { CompareView } from "./compare/view.js";
import { CATALOGUES, currentLanguage, setLanguage, t } from "./messages.js";
import { PerformanceView } from "./performance/view.js";
import { isDark, setTheme } from "./theme.js";
import { useSession } from "./use_session.js";
import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";

/** @typedef {import("./session.js").Session} Session */

/** @typedef {{ name: string, label: import("./messages.js").MessageKey, view: unknown }} View */

/** @type {View[]} */
const VIEWS = [
  { name: "classify", label: "nav.classify", view: ClassifyView },
  { name: "performance", label: "nav.performance", view: PerformanceView },
  { name: "compare", label: "nav.compare", view: CompareView },
];
/** @type {View} */
const REPORT = { name: "report", label: "selection.report", view: SelectionReport };

/** @param {{ session: Session, children?: unknown }} props `children`: components for one of the engines only. */
export function App({ session, children }) {
  useSession(session);
  const main = useAddress(session);
  const current = [...VIEWS, REPORT].find(({ name }) => name === session.address.view) ?? VIEWS[0];
  const title = session.item(session.address.item)?.name ?? t(current?.label ?? "nav.classify");
  useEffect(() => {
    document.title = `${title} · lesionlab`;
  }, [title]);

  return html`
    <a class="skip-link" href="#main" onClick=${(/** @type {Event} */ event) => focus(event, main.current)}>${t("nav.skip")}</a>
    <header class="top">
      <p class="research-notice">${t("researchOnly")}</p>
      <div class="top-bar">
        <span class="brand"><img src=${new URL("icon.svg", import.meta.url).href} alt="" width="26" height="26" /><span class="brand-name">lesionlab</span></span>
        <nav aria-label=${t("nav.views")}>
          <ul>
            ${VIEWS.map(
              ({ name, label }) =>
                html`<li key=${name}><a href=${`#${name}`} aria-current=${name === current?.name ? "page" : null}>${t(label)}</a></li>`,
            )}
          </ul>
        </nav>
        <${ThemeSwitch} />
      </div>
    </header>
    <main id="main" ref=${main} tabindex="-1">
      ${session.modelProblem && html`<${ModelProblem} session=${session} />`}
      <${current?.view} session=${session} />
    </main>
    <${Footer} session=${session} />
    <p class="visually-hidden" role="status">${session.announcement}</p>
    ${children}
  `;
}

/**
 * Follow the address. After a change of view the content is focused, and the page is scrolled to where it was left, or to
 * its top.
 * @param {Session} session
 * @returns {{ current: HTMLElement | null }}
 */
function useAddress(session) {
  const main = useRef(/** @type {HTMLElement | null} */ (null));
  const shown = useRef(location.hash);
  const positions = useRef(/** @type {Map<string, number>} */ (new Map()));
  useEffect(() => {
    history.scrollRestoration = "manual";
    // While the address changes, the page scrolls by itself.
    const onScroll = () => location.hash === shown.current && positions.current.set(shown.current, scrollY);
    const onChange = () => {
      const before = session.address;
      shown.current = location.hash;
      const top = positions.current.get(shown.current) ?? 0;
      session.set({ address: parseAddress(location.hash) });
      if (before.view !== session.address.view) main.current?.focus({ preventScroll: true });
      // After the view is rendered: before, the page may be too short.
      requestAnimationFrame(() => requestAnimationFrame(() => scrollTo(0, top)));
    };
    addEventListener("scroll", onScroll, { passive: true });
    addEventListener("hashchange", onChange);
    return () => {
      removeEventListener("scroll", onScroll);
      removeEventListener("hashchange", onChange);
    };
  }, [session]);
  return main;
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
