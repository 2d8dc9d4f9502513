#!/usr/bin/python3
# SPDX-License-Identifier: PostgreSQL
"""answers.py PORT_FILE SCRIPT [TLS_DIR]: a server of HTTP/2 whose answers are written down, for what no server of ours does on purpose.

SCRIPT is a JSON list of {"on": "METHOD /path", "status", "headers": {}, "body": text, "cut": BYTES, "end": "reset"|"close"}. What is asked for is
answered by the entries for it in their order, the last one again and again; "*" at the end of a path stands for any rest. Of an answer with "cut" so
many bytes of the body are sent, of one with "end" the stream is reset after them, or the connection closed, instead of ended; a little later, since
libcurl shows nothing of an answer that it reads together with its reset. BASE in a text is the server's own address. Each request is a line of JSON on standard output: {"on", "headers", "body"}, the body only if it is short text.
"""
import asyncio
import json
import os
import ssl
import sys

import h2.config
import h2.connection
import h2.errors
import h2.events

WINDOW = 1 << 24
PAUSE_S = 0.1
BODY_MAX = 4096


class Script:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.entries = json.load(file)
        self.base = None

    def take(self, asked):
        fitting = [e for e in self.entries if e["on"] == asked or (e["on"][-1] == "*" and asked.startswith(e["on"][:-1]))]
        if not fitting:
            return {"status": 404, "body": "{}"}
        if len(fitting) > 1:
            self.entries.remove(fitting[0])
        return fitting[0]


class Connection:
    def __init__(self, script, reader, writer):
        self.script, self.reader, self.writer = script, reader, writer
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.requests = {}

    async def flush(self):
        self.writer.write(self.h2.data_to_send())
        await self.writer.drain()

    async def answer(self, stream):
        """Whether the connection goes on."""
        headers, body = self.requests.pop(stream)
        on = headers[":method"] + " " + headers[":path"]
        text = body.decode() if len(body) <= BODY_MAX and body.isascii() else None
        print(json.dumps({"on": on, "headers": headers, "body": text}), flush=True)
        entry = self.script.take(on)
        content = entry.get("body", "").replace("BASE", self.script.base).encode()
        fields = [(":status", str(entry["status"]))] + [(k, str(v)) for k, v in entry.get("headers", {}).items()]
        if content and not entry.get("no_length"):
            fields.append(("content-length", str(len(content))))
        end = entry.get("end")
        content = content[:entry.get("cut", len(content))]
        if headers[":method"] == "HEAD":
            content = b""
        self.h2.send_headers(stream, fields, end_stream=not content and end is None)
        if content:
            self.h2.send_data(stream, content, end_stream=end is None)
        if end is not None:
            await self.flush()
            await asyncio.sleep(PAUSE_S)
        if end == "reset":
            self.h2.reset_stream(stream, h2.errors.ErrorCodes.INTERNAL_ERROR)
        return end != "close"

    async def run(self):
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(WINDOW)
        open_still = True
        while open_still:
            await self.flush()
            data = await self.reader.read(65536)
            if not data:
                break
            for event in self.h2.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    self.requests[event.stream_id] = (dict(event.headers), bytearray())
                elif isinstance(event, h2.events.DataReceived):
                    if event.stream_id in self.requests:
                        self.requests[event.stream_id][1].extend(event.data)
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded) and event.stream_id in self.requests:
                    open_still = await self.answer(event.stream_id) and open_still
        await self.flush()
        self.writer.close()


async def main(port_file, path, tls_dir=None):
    script = Script(path)
    context = None
    if tls_dir is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls_dir + "/server.pem", tls_dir + "/server.key")
        context.set_alpn_protocols(["h2"])

    async def serve(reader, writer):
        try:
            await Connection(script, reader, writer).run()
        except OSError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    script.base = ("http" if context is None else "https") + f"://127.0.0.1:{port}"
    with open(port_file + ".new", "w", encoding="ascii") as file:
        file.write(str(port))
    os.rename(port_file + ".new", port_file)
    async with server:
        await server.serve_forever()


asyncio.run(main(*sys.argv[1:]))
