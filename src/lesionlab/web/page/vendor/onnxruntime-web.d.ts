/**
 * Types of the vendored module, which is `dist/ort.wasm.bundle.min.mjs` of onnxruntime-web (MIT), unchanged, with
 * `dist/ort-wasm-simd-threaded.wasm` beside it, packed by gzip. `npm run vendor` in `web/` fetches both; the licences
 * stand beside them.
 */

export { env, InferenceSession, Tensor } from "onnxruntime-common";
