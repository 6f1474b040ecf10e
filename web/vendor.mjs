/**
 * Fetches the runtimes of the static build from npm into `page/vendor`: ONNX Runtime Web, with its loader in the module
 * and its runtime compressed by gzip, and libjpeg-turbo. Reproducible byte for byte. Needs npm and tar.
 */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const VENDOR = fileURLToPath(new URL("../src/lesionlab/web/page/vendor/", import.meta.url));
const { devDependencies } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));

/** The version whose types the page is checked with. */
const ONNXRUNTIME = `onnxruntime-web@${devDependencies["onnxruntime-common"]}`;
const JPEG_TURBO = "@cwasm/jpeg-turbo@0.1.3";

/** Package, file in it, and name in `page/vendor`. */
const FILES = [
  [ONNXRUNTIME, "dist/ort.wasm.bundle.min.mjs", "onnxruntime-web.js"],
  [ONNXRUNTIME, "dist/ort-wasm-simd-threaded.wasm", "onnxruntime-web.wasm.gz"],
  [JPEG_TURBO, "jpeg-turbo.wasm", "jpeg-turbo.wasm"],
];

const folder = mkdtempSync(join(tmpdir(), "lesionlab-vendor-"));
try {
  for (const name of new Set(FILES.map(([source]) => source))) {
    const packed = execFileSync("npm", ["pack", "--silent", name], { cwd: folder, encoding: "utf8" }).trim();
    execFileSync("tar", ["xzf", packed], { cwd: folder });
    for (const [, file, target] of FILES.filter(([source]) => source === name)) {
      const bytes = readFileSync(join(folder, "package", file));
      writeFileSync(join(VENDOR, target), target.endsWith(".gz") ? gzipSync(bytes, { level: 9 }) : bytes);
    }
    rmSync(join(folder, "package"), { recursive: true });
  }
} finally {
  rmSync(folder, { recursive: true });
}
