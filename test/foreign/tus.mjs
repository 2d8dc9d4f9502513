// SPDX-License-Identifier: PostgreSQL
// tus.mjs MODULES URL TICKET CA FILE CHUNK STOP_AFTER: uploads FILE with tus-js-client over Node's own HTTP/2, in chunks. After
// STOP_AFTER chunks (0: never) it aborts and ends, as a closed browser tab does; the next start asks for the offset and goes on.
// Prints what it did as JSON. The device speaks HTTP/2 only, as browsers do; tus-js-client's own stack for Node is HTTP/1.1,
// so here is one more of the stacks that it lets its users bring.
import fs from 'node:fs';
import http2 from 'node:http2';
import { createRequire } from 'node:module';

const [modules, url, ticket, ca, file, chunk, stopAfter] = process.argv.slice(2);
const tus = createRequire(`${modules}/`)('tus-js-client');
const session = http2.connect(new URL(url).origin, { ca: fs.readFileSync(ca) });
session.on('error', (error) => { console.error(error.message); process.exit(2); });
const seen = [];

class Request {
  constructor(method, target) { Object.assign(this, { method, target, headers: {}, progress: () => {} }); }
  getMethod() { return this.method; }
  getURL() { return this.target; }
  setHeader(name, value) { this.headers[name.toLowerCase()] = String(value); }
  getHeader(name) { return this.headers[name.toLowerCase()]; }
  setProgressHandler(handler) { this.progress = handler; }
  abort() { this.stream?.close(http2.constants.NGHTTP2_CANCEL); return Promise.resolve(); }
  getUnderlyingObject() { return this.stream; }
  send(body = null) {
    return new Promise((resolve, reject) => {
      const path = new URL(this.target).pathname;
      this.stream = session.request({ ':method': this.method, ':path': path, ...this.headers });
      const chunks = [];
      let head = {};
      this.stream.on('response', (headers) => { head = headers; });
      this.stream.on('data', (data) => chunks.push(data));
      this.stream.on('error', reject);
      this.stream.on('end', () => {
        seen.push(`${this.method} ${head[':status']}`);
        resolve({
          getStatus: () => head[':status'],
          getHeader: (name) => head[name.toLowerCase()],
          getBody: () => Buffer.concat(chunks).toString(),
          getUnderlyingObject: () => this.stream,
        });
      });
      if (body && typeof body.pipe === 'function') body.pipe(this.stream);
      else this.stream.end(body);
    });
  }
}

let sent = 0;
const finish = (outcome) => {
  console.log(JSON.stringify({ outcome, seen, offset: sent }));
  session.destroy();
  process.exit(outcome === 'failed' ? 1 : 0);
};
const upload = new tus.Upload(fs.createReadStream(file), {
  uploadUrl: url,
  uploadSize: fs.statSync(file).size,
  chunkSize: Number(chunk),
  retryDelays: [0, 100, 300],
  headers: { authorization: `Bearer ${ticket}` },
  httpStack: { createRequest: (method, target) => new Request(method, target), getName: () => 'node:http2' },
  onChunkComplete: (size, accepted) => {
    sent = accepted;
    if (Number(stopAfter) > 0 && seen.filter((s) => s.startsWith('PATCH 2')).length >= Number(stopAfter)) {
      upload.abort().then(() => finish('stopped'));
    }
  },
  onSuccess: () => finish('stored'),
  onError: (error) => { console.error(error.message); finish('failed'); },
});
upload.start();
