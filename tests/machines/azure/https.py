"""HTTPS before a server that speaks HTTP: `python https.py ADDRESS PORT CHAIN HOST PORT`.

What vaults and storage accounts are asked with their own hosts' names comes as it is to the server behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys

MOST_BYTES = 1 << 16


async def serve(address: str, port: int, chain: str, host: str, host_port: int) -> None:
    """Pass everything on until killed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection(host, host_port)
        await asyncio.gather(pass_on(reader, behind_writer), pass_on(behind_reader, writer))

    async with await asyncio.start_server(attend, address, port, ssl=context) as server:
        await server.serve_forever()


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until one of the two has gone: machines are switched off."""
    with contextlib.suppress(OSError):
        while data := await reader.read(MOST_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5])))
