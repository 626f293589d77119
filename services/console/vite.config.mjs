import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  root: here('./web'),
  plugins: [react()],
  build: { outDir: here('../../dist/services/console/web'), emptyOutDir: true },
  server: { proxy: { '/api': 'http://127.0.0.1:7800' } },
});
