# SPDX-License-Identifier: Apache-2.0
"""loop.py PORT CERTIFICATE - an HTTPS server in one event loop, which moves TLS records itself (memory BIOs)."""
import asyncio
import ssl
import sys


async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            path = head.split()[1]
            await asyncio.sleep(0)  # other connections get their turn in between
            body = f"answer to {path}"
            writer.write(f"HTTP/1.1 200 OK\r\nX-Answer-To: {path}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2])
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), ssl=context)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


asyncio.run(main())
