/**
 * Fetches compiled libraries from npm. For the static build, into `page/vendor`: ONNX Runtime Web, with its loader in the
 * module and its runtime compressed by gzip, and libjpeg-turbo. For the page of the API, into `api_page/vendor`: Swagger UI.
 * Reproducible byte for byte. Needs npm and tar.
 */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const WEB = fileURLToPath(new URL("../src/lesionlab/web/", import.meta.url));
const { devDependencies } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));

/** The version whose types the page is checked with. */
const ONNXRUNTIME = `onnxruntime-web@${devDependencies["onnxruntime-common"]}`;
const JPEG_TURBO = "@cwasm/jpeg-turbo@0.1.3";
const SWAGGER_UI = "swagger-ui-dist@5.35.0";

/** Package, file in it, and name in `lesionlab/web`. */
const FILES = [
  [ONNXRUNTIME, "dist/ort.wasm.bundle.min.mjs", "page/vendor/onnxruntime-web.js"],
  [ONNXRUNTIME, "dist/ort-wasm-simd-threaded.wasm", "page/vendor/onnxruntime-web.wasm.gz"],
  [JPEG_TURBO, "jpeg-turbo.wasm", "page/vendor/jpeg-turbo.wasm"],
  [SWAGGER_UI, "swagger-ui-bundle.js", "api_page/vendor/swagger-ui-bundle.js"],
  [SWAGGER_UI, "swagger-ui.css", "api_page/vendor/swagger-ui.css"],
  [SWAGGER_UI, "LICENSE", "api_page/vendor/LICENSE-swagger-ui.txt"],
  [SWAGGER_UI, "NOTICE", "api_page/vendor/NOTICE-swagger-ui.txt"],
  [SWAGGER_UI, "swagger-ui-bundle.js.LICENSE.txt", "api_page/vendor/LICENSE-swagger-ui-notices.txt"],
];

const folder = mkdtempSync(join(tmpdir(), "lesionlab-vendor-"));
try {
  for (const name of new Set(FILES.map(([source]) => source))) {
    const packed = execFileSync("npm", ["pack", "--silent", name], { cwd: folder, encoding: "utf8" }).trim();
    execFileSync("tar", ["xzf", packed], { cwd: folder });
    for (const [, file, target] of FILES.filter(([source]) => source === name)) {
      const bytes = readFileSync(join(folder, "package", file));
      writeFileSync(join(WEB, target), target.endsWith(".gz") ? gzipSync(bytes, { level: 9 }) : bytes);
    }
    rmSync(join(folder, "package"), { recursive: true });
  }
} finally {
  rmSync(folder, { recursive: true });
}
