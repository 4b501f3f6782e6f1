/**
 * Puts src/ together into a few files under dist/. A server that was killed serves again when its three or more threads
 * have loaded their code, and to find, read and link some three hundred files in each of them took a third of that time.
 * Types are checked apart from this (`npm run typecheck`).
 */
import { rmSync } from 'node:fs';
import { build } from 'esbuild';

const OPTIONS = {
  outbase: 'src',
  outdir: 'dist',
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.18',
  sourcemap: 'linked',
  sourcesContent: false,
  // Packages that are CommonJS ask for Node's own modules in its way.
  banner: {
    js: "import { createRequire as createRequireHere } from 'node:module'; const require = createRequireHere(import.meta.url);",
  },
  // Reading strings quicker is not worth looking for the file that does it, in each thread.
  define: { 'process.env.MSGPACKR_NATIVE_ACCELERATION_DISABLED': '"true"' },
  logLevel: 'warning',
};

/** Have native code, find files beside their own, or are large and mostly not needed. All others become part of dist/. */
const NOT_BUNDLED = [
  ...['uWebSockets.js', 'msgpackr-extract', 'piscina', 'uplot'],
  ...['undici', 'gpt-tokenizer', '@pydantic/genai-prices'],
];

rmSync('dist', { recursive: true, force: true });
await build({
  ...OPTIONS,
  entryPoints: [
    'src/main.ts',
    'src/worker/thread.ts',
    'src/admit/token-count-task.ts',
    'src/config/write-json-schema.ts',
  ],
  splitting: true,
  // One folder deep, as nearly all of src/ is, so that what is found from `import.meta.url` is found from here as well.
  chunkNames: 'shared/[name]-[hash]',
  external: NOT_BUNDLED,
});
// By itself, because it is a thread that most gateways never start and shares nothing with the others.
await build({
  ...OPTIONS,
  entryPoints: ['src/trace-export/exporter-thread.ts'],
  // OpenTelemetry's packages as ES modules, of which only what is used comes along: to find, read and compile all their
  // files took 200 ms of CPU while exchanges ran.
  mainFields: ['module', 'main'],
  external: NOT_BUNDLED,
});
