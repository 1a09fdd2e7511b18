// Puts what comes from npm and is served into site/vendor/. `npm ci` runs it.

import { cpSync, mkdirSync, rmSync } from "node:fs";

/** By folder: the files of the package, and their names here. */
const SERVED = {
  uplot: {
    "dist/uPlot.esm.js": "uPlot.esm.js",
    "dist/uPlot.min.css": "uPlot.min.css",
    LICENSE: "LICENSE.txt",
  },
  "swagger-ui-dist": {
    "swagger-ui-bundle.js": "swagger-ui-bundle.js",
    "swagger-ui.css": "swagger-ui.css",
    "swagger-ui-bundle.js.LICENSE.txt": "swagger-ui-bundle.js.LICENSE.txt",
    LICENSE: "LICENSE.txt",
    NOTICE: "NOTICE.txt",
  },
};

const vendor = new URL("site/vendor/", import.meta.url);
rmSync(vendor, { recursive: true, force: true });
for (const [name, files] of Object.entries(SERVED)) {
  const from = new URL(`node_modules/${name}/`, import.meta.url);
  const to = new URL(`${name.replace("-dist", "")}/`, vendor);
  mkdirSync(to, { recursive: true });
  for (const [file, served] of Object.entries(files)) cpSync(new URL(file, from), new URL(served, to));
}
