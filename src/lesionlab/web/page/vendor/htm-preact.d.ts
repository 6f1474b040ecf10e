/**
 * Types of the vendored module, which is `preact/standalone.module.js` of htm 3.1.1, unchanged: Preact (MIT), its hooks and
 * htm (Apache-2.0) in one file. The licences stand beside it.
 */

import type { VNode } from "preact";

export { Component, createContext, h, render } from "preact";
export * from "preact/hooks";
export declare const html: (strings: TemplateStringsArray, ...values: unknown[]) => VNode;
