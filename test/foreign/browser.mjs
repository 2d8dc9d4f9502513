// SPDX-License-Identifier: PostgreSQL
// browser.mjs MODULES PROFILE QUERY: opens page.html in Chromium as http://page.example/?QUERY, an origin that is neither the
// gateway's nor the device's, and prints what the page reports. Chromium asks, preflights and hides as it does for users; only
// the certificate of the tests is not looked at.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import { fileURLToPath } from 'node:url';

const [modules, profile, query] = process.argv.slice(2);
const files = {
  '/': ['text/html', fileURLToPath(new URL('page.html', import.meta.url))],
  '/tus.js': ['text/javascript', `${modules}/tus-js-client/dist/tus.min.js`],
};
let chromium;

function end(status, text) {
  console.log(text);
  chromium?.kill('SIGKILL');
  process.exit(status);
}

const server = http.createServer((request, response) => {
  const path = new URL(request.url, 'http://page.example').pathname;
  if (request.method === 'POST') {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => end(0, Buffer.concat(parts).toString()));
    return;
  }
  if (!files[path] || !fs.existsSync(files[path][1])) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { 'content-type': files[path][0] }).end(fs.readFileSync(files[path][1]));
});

server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  chromium = spawn('chromium', [
    '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--ignore-certificate-errors',
    '--disable-background-networking', '--disable-component-update', '--no-proxy-server', `--user-data-dir=${profile}`,
    `--host-resolver-rules=MAP page.example:80 127.0.0.1:${port}`, `http://page.example/?${query}`,
  ], { env: { ...process.env, HOME: profile }, stdio: ['ignore', 'ignore', 'pipe'] });
  const said = [];
  chromium.stderr.on('data', (text) => said.push(text));
  chromium.on('error', (error) => end(1, error.message));
  chromium.on('exit', () => end(1, `chromium has ended: ${Buffer.concat(said)}`));
  setTimeout(() => end(1, `no report: ${Buffer.concat(said)}`), 60000).unref();
});
