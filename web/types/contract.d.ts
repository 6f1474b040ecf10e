/** Types of the API, for JSDoc in the page's modules. `npm run types` generates them. */

export * from "./api.js";

/** Patient data as the form holds them. */
export interface Patient {
  age?: string;
  sex?: string;
  site?: string;
}
