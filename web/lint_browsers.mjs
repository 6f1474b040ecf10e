/**
 * node lint_browsers.mjs [FOLDER]
 *
 * Checks that the page's modules and style sheets use only what the supported browsers have, by MDN's compatibility data:
 * interfaces, methods and properties by the types that TypeScript finds, and properties, values, functions, selectors and
 * rules of style sheets. `browsers.json` lists the browsers, and the exceptions with the reason why the page works without.
 * What is no part of a type, such as a keyword of the language or an option of a call, is not found.
 */

import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
const ts = require("typescript-5");
const postcss = require("postcss");
/** @type {any} */
const compat = require("@mdn/browser-compat-data");
const { browsers, exceptions } = JSON.parse(readFileSync(new URL("browsers.json", import.meta.url), "utf8"));

const PAGE = process.argv[2] ?? fileURLToPath(new URL("../src/lesionlab/web/page/", import.meta.url));
const files = readdirSync(PAGE, { recursive: true, encoding: "utf8" })
  .filter((name) => !name.startsWith("vendor/"))
  .map((name) => join(PAGE, name));
const problems = new Set();
const used = new Set();

/**
 * @param {string} path Of a feature in the data.
 * @param {string} place
 * @returns {boolean} Whether the data have the feature.
 */
function check(path, place) {
  const feature = path.split("/").reduce((node, key) => node?.[key], compat)?.__compat;
  if (!feature) return false;
  const missing = Object.entries(browsers).filter(([browser, version]) => !isSupported(feature.support[browser], version));
  if (missing.length === 0) return true;
  used.add(path);
  if (!(path in exceptions)) problems.add(`${place}: ${path.replaceAll("/", ".")} is missing in ${missing.map(([name, version]) => `${name} ${version}`).join(", ")}`);
  return true;
}

/**
 * @param {any} support
 * @param {string} version
 */
function isSupported(support, version) {
  return [support ?? []].flat().some(({ version_added: added, version_removed: removed, flags, prefix, alternative_name: other }) =>
    typeof added === "string" && added !== "preview" && !removed && !flags && !prefix && !other && compareVersions(added.replace("≤", ""), version) <= 0);
}

/**
 * @param {string} left
 * @param {string} right
 */
function compareVersions(left, right) {
  const [a, b] = [left, right].map((text) => text.split(".").map(Number));
  return (a[0] - b[0]) || ((a[1] ?? 0) - (b[1] ?? 0));
}

function checkModules() {
  const config = ts.getParsedCommandLineOfConfigFile(fileURLToPath(new URL("tsconfig.json", import.meta.url)), {}, { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => {} });
  const program = ts.createProgram(files.filter((name) => name.endsWith(".js")), config?.options ?? {});
  const checker = program.getTypeChecker();
  for (const source of program.getSourceFiles()) {
    if (source.isDeclarationFile || !files.includes(source.fileName)) continue;
    const visit = (node) => {
      if (ts.isPropertyAccessExpression(node)) checkMember(node, checker, placeOf(source, node));
      else if (ts.isIdentifier(node) && !isName(node)) checkGlobal(node, checker, placeOf(source, node));
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
}

function checkMember(node, checker, place) {
  const declarations = checker.getSymbolAtLocation(node.name)?.declarations ?? [];
  if (!declarations.some(isOfBrowser)) return;
  const name = node.name.text;
  const owners = [...declarations.map(ownerOf), ...typeNames(checker.getTypeAtLocation(node.expression))];
  for (const owner of owners) {
    const builtin = owner.replace(/Constructor$/, "");
    const keys = [`api/${owner}/${name}`, `api/${owner}/${name}_static`, `javascript/builtins/${builtin}/${name}`];
    if (keys.some((key) => check(key, place))) return;
  }
}

function checkGlobal(node, checker, place) {
  const declarations = checker.getSymbolAtLocation(node)?.declarations ?? [];
  if (!declarations.some((found) => isOfBrowser(found) && (ts.isVariableDeclaration(found) || ts.isFunctionDeclaration(found)))) return;
  const name = node.text;
  [`api/${name}`, `javascript/builtins/${name}`, `api/Window/${name}`, `api/WorkerGlobalScope/${name}`].some((key) => check(key, place));
  if (ts.isNewExpression(node.parent)) check(`api/${name}/${name}`, place);
}

/** Whether an identifier is the name of a property, a declaration or the like, and no reference. */
function isName(node) {
  return (ts.isPropertyAccessExpression(node.parent) && node.parent.name === node) || (ts.isPropertyAssignment(node.parent) && node.parent.name === node);
}

function isOfBrowser(declaration) {
  return /\/lib\.[^/]*\.d\.ts$/.test(declaration.getSourceFile().fileName);
}

/** The interface that declares a member; for a static member the name of its variable. */
function ownerOf(declaration) {
  const { parent } = declaration;
  if (ts.isTypeLiteralNode(parent) && ts.isVariableDeclaration(parent.parent)) return parent.parent.name.getText();
  return parent.name?.getText() ?? "";
}

/** The names of a type and its base types: the data list members of mixins with each interface. */
function typeNames(type) {
  const parts = type.isUnion() ? type.types : [type];
  return parts.flatMap((part) => [part.symbol?.name ?? "", ...(part.getBaseTypes?.() ?? []).flatMap(typeNames)]);
}

function placeOf(source, node) {
  return `${relative(PAGE, source.fileName)}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}`;
}

const functions = new Map();
collectFunctions(compat.css.types, "css/types");

/** All functions of style sheets by name. */
function collectFunctions(node, path) {
  for (const [key, value] of Object.entries(node)) {
    if (key === "__compat") continue;
    if (value.__compat) functions.set(key, `${path}/${key}`);
    collectFunctions(value, `${path}/${key}`);
  }
}

function checkStyles() {
  for (const file of files.filter((name) => name.endsWith(".css"))) {
    const place = (node) => `${relative(PAGE, file)}:${node.source.start.line}`;
    postcss.parse(readFileSync(file, "utf8")).walk((node) => {
      if (node.type === "decl" && !node.prop.startsWith("--")) {
        check(`css/properties/${node.prop}`, place(node));
        for (const word of node.value.match(/[a-z-]+/g) ?? []) check(`css/properties/${node.prop}/${word}`, place(node));
      }
      if (node.type === "decl") for (const [, name] of node.value.matchAll(/([a-z-]+)\(/g)) if (functions.has(name)) check(functions.get(name), place(node));
      if (node.type === "rule") {
        for (const [, name] of node.selector.matchAll(/::?([a-z-]+)/g)) check(`css/selectors/${name}`, place(node));
        if (node.parent.type === "rule") check("css/selectors/nesting", place(node));
      }
      if (node.type === "atrule") {
        check(`css/at-rules/${node.name}`, place(node));
        for (const [, name] of node.params.matchAll(/\(([a-z-]+)/g)) check(`css/at-rules/${node.name}/${name}`, place(node));
      }
    });
  }
}

checkModules();
checkStyles();
for (const path of Object.keys(exceptions)) if (!process.argv[2] && !used.has(path)) problems.add(`browsers.json: the exception ${path} is not needed`);
if (problems.size > 0) {
  console.error([...problems].join("\n"));
  process.exitCode = 1;
}
