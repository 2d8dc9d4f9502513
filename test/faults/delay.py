#!/usr/bin/python3
# SPDX-License-Identifier: PostgreSQL
"""delay.py PORT_FILE PORT MILLISECONDS: a long line. What comes to the port that PORT_FILE then names goes on to PORT of this machine, each
byte so much later, in both directions; what is on its way is bounded (64 MiB a direction), a full line is not read from."""
import asyncio
import os
import sys

BLOCK = 65536
BLOCKS = 1024


async def pump(reader, writer, delay_s):
    """One direction, to its end."""
    clock = asyncio.get_running_loop().time
    line = asyncio.Queue(maxsize=BLOCKS)

    async def enter():
        data = b"-"
        while data:
            data = await reader.read(BLOCK)
            await line.put((clock() + delay_s, data))

    async def leave():
        while True:
            due, data = await line.get()
            await asyncio.sleep(max(0, due - clock()))
            if not data:
                break
            writer.write(data)
            await writer.drain()
        writer.close()

    await asyncio.gather(enter(), leave())


async def main(port_file, port, delay_s):
    async def serve(reader, writer):
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(pump(reader, to_writer, delay_s), pump(to_reader, writer, delay_s))
        except OSError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    with open(port_file + ".new", "w", encoding="ascii") as file:
        file.write(str(server.sockets[0].getsockname()[1]))
    os.rename(port_file + ".new", port_file)
    async with server:
        await server.serve_forever()


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) / 1000))
