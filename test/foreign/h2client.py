# SPDX-License-Identifier: PostgreSQL
"""h2client.py URL TICKET CA METHOD FILE [OFFSET [LENGTH]]: one request by python3-h2, which knows HTTP/2 and nothing of ours.

PUT sends FILE; PATCH sends LENGTH bytes of it (default: the rest) from OFFSET on; HEAD asks; GET writes to FILE, from OFFSET on
when one is given. Prints status and headers as JSON. With LENGTH negative, the connection is cut after -LENGTH bytes.
"""
import base64
import hashlib
import json
import os
import socket
import ssl
import sys
from urllib.parse import urlsplit

import h2.config
import h2.connection
import h2.events


class Client:
    def __init__(self, url, ca):
        parts = urlsplit(url)
        self.path, self.authority = parts.path, parts.netloc
        context = ssl.create_default_context(cafile=ca)
        context.set_alpn_protocols(["h2"])
        raw = socket.create_connection((parts.hostname, parts.port), timeout=60)
        self.socket = context.wrap_socket(raw, server_hostname=parts.hostname)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.headers, self.body, self.ended, self.received = {}, bytearray(), False, 0

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def hear(self):
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the connection was closed")
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                self.headers = dict(event.headers)
            elif isinstance(event, h2.events.DataReceived):
                self.body += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
                self.ended = True
        self.flush()

    def send(self, stream, data):
        at = 0
        while at < len(data) and not self.ended:
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(data) - at)
            if room == 0:
                self.hear()
                continue
            self.h2.send_data(stream, data[at:at + room])
            at += room
            self.flush()

    def request(self, method, ticket, more, body, cut):
        stream = self.h2.get_next_available_stream_id()
        fixed = [(":method", method), (":scheme", "https"), (":authority", self.authority), (":path", self.path),
                 ("authorization", f"Bearer {ticket}")]
        self.h2.send_headers(stream, fixed + more, end_stream=body is None)
        self.flush()
        if body is not None:
            self.send(stream, body)
            if cut:
                return None
            if not self.ended:
                self.h2.end_stream(stream)
                self.flush()
        while not self.ended:
            self.hear()
        return self.headers


def main():
    url, ticket, ca, method, name, *place = sys.argv[1:]
    offset = int(place[0]) if place else 0
    length = int(place[1]) if len(place) > 1 else None
    cut = length is not None and length < 0
    more, body = [], None
    if method in ("PUT", "PATCH"):
        with open(name, "rb") as file:
            file.seek(offset)
            body = file.read() if length is None else file.read(abs(length))
    if method == "PATCH":
        # With parameters, as any structured field may carry them (RFC 9651, 3.1.2), and each part with its own digest.
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        last = offset + len(body) == os.path.getsize(name)
        more = [("content-type", "application/partial-upload"), ("upload-offset", f"{offset};a=1"),
                ("upload-draft-interop-version", "9"), ("upload-complete", f"?{int(last)};b=\"?0\""),
                ("content-digest", "md5=:AAAA:"), ("content-digest", f"sha-256=:{digest}:;c")]
        more = [field for field in more if not (cut and field[0] == "content-digest")]
    elif method == "GET" and place:
        more = [("range", f"bytes={offset}-")]
    client = Client(url, ca)
    headers = client.request(method, ticket, more, body, cut)
    if method == "GET":
        with open(name, "r+b" if offset else "wb") as file:
            file.seek(offset)
            file.write(client.body)
    print(json.dumps(headers or {}))
    sys.stdout.flush()
    if cut:
        os._exit(0)


if __name__ == "__main__":
    main()
