# SPDX-License-Identifier: PostgreSQL
"""vanish.py CA SEED CLIENTS: for each line `URL TICKET SIZE` of standard input a client that begins an upload and vanishes.

Where is chance: in the handshake, before or amid the headers, after any number of bytes of a PUT or PATCH, by a reset of the
stream, after the last byte and before the answer. As many at a time as CLIENTS. Prints how many vanished where.
"""
import random
import socket
import sys
import threading
from collections import Counter
from urllib.parse import urlsplit

from h2client import Client

PLACES = ["handshake", "connected", "headers", "reset", "cut", "cut", "cut", "sent"]


def vanish(url, ticket, size, ca, chance, place):
    if place == "handshake":
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname, parts.port), timeout=30) as raw:
            raw.sendall(b"\x16\x03\x01\x02\x00"[: chance.randint(1, 5)])
        return
    client = Client(url, ca)
    try:
        client.flush()
        if place == "connected":
            return
        method = chance.choice(["PUT", "PATCH"])
        stream = client.h2.get_next_available_stream_id()
        headers = [(":method", method), (":scheme", "https"), (":authority", client.authority), (":path", client.path),
                   ("authorization", f"Bearer {ticket}")]
        if method == "PATCH":
            headers += [("content-type", "application/partial-upload"), ("upload-offset", "0")]
        client.h2.send_headers(stream, headers)
        client.flush()
        if place == "headers":
            return
        client.send(stream, bytes(size if place == "sent" else chance.randint(1, size - 1)))
        if place == "reset" and not client.ended:
            client.h2.reset_stream(stream, 8)
            client.flush()
        elif place == "sent" and not client.ended:
            client.h2.end_stream(stream)
            client.flush()
    finally:
        client.socket.close()


def worker(jobs, lock, ca, counts, errors):
    while True:
        with lock:
            if not jobs:
                return
            url, ticket, size, place, chance = jobs.pop()
        try:
            vanish(url, ticket, size, ca, chance, place)
            with lock:
                counts[place] += 1
        except Exception as error:  # the device may be first to close
            with lock:
                errors[type(error).__name__] += 1


def main():
    ca, seed, clients = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    chance, jobs, counts, errors, lock = random.Random(seed), [], Counter(), Counter(), threading.Lock()
    for line in sys.stdin:
        url, ticket, size = line.split()
        jobs.append((url, ticket, int(size), chance.choice(PLACES), random.Random(chance.random())))
    threads = [threading.Thread(target=worker, args=(jobs, lock, ca, counts, errors)) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(sum(counts.values()), " ".join(f"{place}={count}" for place, count in sorted(counts.items())),
          " ".join(f"{name}={count}" for name, count in errors.items()))


main()
