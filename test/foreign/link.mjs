// SPDX-License-Identifier: PostgreSQL
// link.mjs PROFILE DIR URL...: follows each link in Chromium as a user who clicks on it does, lets it save into DIR what it saves, and prints
// [{name, state, file}] in their order: the file's name by Chromium's own reading of the answer, what became of the download, and where
// in DIR it is.
import { spawn } from 'node:child_process';

const [profile, dir, ...urls] = process.argv.slice(2);
const chromium = spawn('chromium', [
  '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--ignore-certificate-errors',
  '--disable-background-networking', '--disable-component-update', '--no-proxy-server', `--user-data-dir=${profile}`,
  '--remote-debugging-pipe', 'about:blank',
], { env: { ...process.env, HOME: profile }, stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'] });
const [, , stderr, commands, answers] = chromium.stdio;
const said = [], saved = [];
let calls = 0, unread = '';

function end(status, text) {
  console.log(text);
  chromium.kill('SIGKILL');
  process.exit(status);
}

// The protocol of its developer tools: JSON, each message ended by a NUL.
function call(method, params) {
  commands.write(`${JSON.stringify({ id: ++calls, method, params })}\0`);
}

function next() {
  if (saved.length === urls.length) end(0, JSON.stringify(saved));
  call('Target.createTarget', { url: urls[saved.length] });
}

function hear({ method, params, error }) {
  if (error) end(1, JSON.stringify(error));
  if (method === 'Browser.downloadWillBegin') {
    saved.push({ name: params.suggestedFilename, file: params.guid });
  } else if (method === 'Browser.downloadProgress' && params.state !== 'inProgress') {
    const ended = saved.find(({ file, state }) => file === params.guid && !state);
    if (!ended) return;
    ended.state = params.state;
    next();
  }
}

answers.on('data', (text) => {
  const messages = (unread + text).split('\0');
  unread = messages.pop();
  messages.forEach((message) => hear(JSON.parse(message)));
});
answers.setEncoding('utf8');
stderr.on('data', (text) => said.push(text));
chromium.on('error', (error) => end(1, error.message));
chromium.on('exit', () => end(1, `chromium has ended: ${Buffer.concat(said)}`));
setTimeout(() => end(1, `no end, after ${JSON.stringify(saved)}: ${Buffer.concat(said)}`), 60000).unref();
call('Browser.setDownloadBehavior', { behavior: 'allowAndName', downloadPath: dir, eventsEnabled: true });
next();
