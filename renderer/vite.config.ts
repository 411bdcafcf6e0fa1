/**
 * Builds the window. Relative addresses, so that one build works below app:// and http://127.0.0.1; nothing inline, nothing remote,
 * because the policy of both shells refuses it.
 */
import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

/** react-aria brings its own words in more than 30 languages; the window speaks three. */
const spoken = ['en-US', 'ko-KR', 'de-DE'];
const ariaWords = /\/node_modules\/react-(?:aria|stately|aria-components)\/.*\/intl\/.*\/([a-z]{2}-[A-Z]{2})\.m?js$/;

const onlySpokenLanguages: Plugin = {
  name: 'only-spoken-languages',
  enforce: 'pre',
  load(id) {
    const tag = ariaWords.exec(id)?.[1];
    return tag === undefined || spoken.includes(tag) ? null : 'export default {};';
  },
};

// biome-ignore lint/style/noDefaultExport: vite reads its configuration from the default export.
export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  publicDir: false,
  plugins: [onlySpokenLanguages, react()],
  build: {
    outDir: fileURLToPath(new URL('../dist/renderer', import.meta.url)),
    emptyOutDir: true,
    target: 'chrome120',
    modulePreload: { polyfill: false },
    // An asset written into the page as data: would need a hole in the policy.
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    reportCompressedSize: true,
  },
});
