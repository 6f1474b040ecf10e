/**
 * Fetches from npm what the site runs on, and puts it into `page/vendor`: ONNX Runtime Web, whose module has its loader
 * in it and whose runtime gzip packs to a quarter, and libjpeg-turbo. Same bytes every time. Needs npm and tar.
 */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const VENDOR = fileURLToPath(new URL("../src/lesionlab/web/page/vendor/", import.meta.url));
const { devDependencies } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));

/** The one whose types the page is checked with. */
const ONNXRUNTIME = `onnxruntime-web@${devDependencies["onnxruntime-common"]}`;
const JPEG_TURBO = "@cwasm/jpeg-turbo@0.1.3";

/** From package and file to the name that it gets. */
const FILES = [
  [ONNXRUNTIME, "dist/ort.wasm.bundle.min.mjs", "onnxruntime-web.js"],
  [ONNXRUNTIME, "dist/ort-wasm-simd-threaded.wasm", "onnxruntime-web.wasm.gz"],
  [JPEG_TURBO, "jpeg-turbo.wasm", "jpeg-turbo.wasm"],
];

const folder = mkdtempSync(join(tmpdir(), "lesionlab-vendor-"));
try {
  for (const wanted of new Set(FILES.map(([name]) => name))) {
    const packed = execFileSync("npm", ["pack", "--silent", wanted], { cwd: folder, encoding: "utf8" }).trim();
    execFileSync("tar", ["xzf", packed], { cwd: folder });
    for (const [, file, name] of FILES.filter(([other]) => other === wanted)) {
      const bytes = readFileSync(join(folder, "package", file));
      writeFileSync(join(VENDOR, name), name.endsWith(".gz") ? gzipSync(bytes, { level: 9 }) : bytes);
    }
    rmSync(join(folder, "package"), { recursive: true });
  }
} finally {
  rmSync(folder, { recursive: true });
}
