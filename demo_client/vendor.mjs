// Puts what comes from npm and is served into site/vendor/. `npm ci` runs it.

import { cpSync, mkdirSync, rmSync } from "node:fs";

const to = new URL("site/vendor/uplot/", import.meta.url);
const from = new URL("node_modules/uplot/", import.meta.url);

rmSync(to, { recursive: true, force: true });
mkdirSync(to, { recursive: true });
for (const [file, name] of [
  ["dist/uPlot.esm.js", "uPlot.esm.js"],
  ["dist/uPlot.min.css", "uPlot.min.css"],
  ["LICENSE", "LICENSE.txt"],
]) {
  cpSync(new URL(file, from), new URL(name, to));
}
