// Reads {"directory": node_modules, "scripts": {name: flux}} and writes the names of those that are not valid Flux.
// The package wants a bundler to load its WebAssembly; here that is done by hand.
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const { directory, scratch, scripts } = JSON.parse(readFileSync(0, 'utf-8'));
const home = `${directory}/@influxdata/flux-lsp-browser`;
const module = await WebAssembly.compile(readFileSync(`${home}/flux-lsp-browser_bg.wasm`));
let flux; // the two need each other: what WebAssembly calls is looked up when it calls
const called = WebAssembly.Module.imports(module).map(({ name }) => [name, (...values) => flux[name](...values)]);
const instance = await WebAssembly.instantiate(module, { './flux-lsp-browser_bg.js': Object.fromEntries(called) });
globalThis.fluxExports = instance.exports;
const glue = readFileSync(`${home}/flux-lsp-browser_bg.js`, 'utf-8');
writeFileSync(`${scratch}/glue.mjs`, glue.replace(/^import \* as wasm from .*$/m, 'const wasm = globalThis.fluxExports;'));
flux = await import(pathToFileURL(`${scratch}/glue.mjs`));
const wrong = Object.keys(scripts).filter((name) => !new flux.Flux(scripts[name]).is_valid());
writeFileSync(1, JSON.stringify(wrong));
