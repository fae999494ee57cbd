"""Faults that a real daemon doesn't have, between a real adb server and it: ``fault_gate.py MODE …`` on loopback.

``unauth PORT``: a device that never accepts this computer's key.
``relay PORT TO CUT RATE``: forwards to the daemon at port TO, at RATE bytes/s, and pulls the cable after CUT bytes.
``badserver PORT VERSION``: an adb server of another version.
A transport packet is six little-endian words (command, two arguments, length, checksum, magic) and its data.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
import time

AUTH, CNXN = b"AUTH", b"CNXN"
TOKEN, SIGNATURE = 1, 2
PIECE = 16384


def listen(port: int) -> socket.socket:
    """A listening socket on loopback."""
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", port))
    server.listen(8)
    return server


def take(link: socket.socket, count: int) -> bytes:
    """Exactly ``count`` bytes."""
    found = b""
    while len(found) < count:
        more = link.recv(count - len(found))
        if not more:
            raise ConnectionError
        found += more
    return found


def packet(command: bytes, first: int, second: int, data: bytes) -> bytes:
    """A packet as it goes over the wire."""
    word = struct.unpack("<I", command)[0]
    return struct.pack("<6I", word, first, second, len(data), sum(data), word ^ 0xFFFFFFFF) + data


def unauthorized(link: socket.socket) -> None:
    """Asks for a signature, for ever."""
    while True:
        head = take(link, 24)
        length, argument = struct.unpack("<I", head[12:16])[0], struct.unpack("<I", head[4:8])[0]
        take(link, length)
        if head[:4] == CNXN or (head[:4] == AUTH and argument == SIGNATURE):
            link.sendall(packet(AUTH, TOKEN, 0, os.urandom(20)))


def relay(link: socket.socket, to: int, cut: int, rate: int) -> None:
    """Forwards both ways; slowly, and not for long, from the computer to the device."""
    device = socket.create_connection(("127.0.0.1", to))

    def back() -> None:
        try:
            while data := device.recv(PIECE):
                link.sendall(data)
        except OSError:
            return

    threading.Thread(target=back, daemon=True).start()
    passed, start = 0, time.monotonic()
    while data := link.recv(PIECE):
        passed += len(data)
        if cut and passed > cut:
            break
        device.sendall(data)
        if rate:
            time.sleep(max(0.0, passed / rate - (time.monotonic() - start)))
    for end in (link, device):
        end.close()


def bad_server(link: socket.socket, version: int) -> bool:
    """Answers as an adb server of ``version`` does; whether it was told to end."""
    asked = take(link, int(take(link, 4), 16))
    answer = b"OKAY"
    if asked == b"host:version":
        text = f"{version:04x}".encode()
        answer += f"{len(text):04x}".encode() + text
    link.sendall(answer)
    link.close()
    return asked == b"host:kill"


def main() -> None:
    """Serves until killed."""
    mode, port, *numbers = sys.argv[1], *map(int, sys.argv[2:])
    server = listen(port)
    print("ready", flush=True)
    while True:
        link, _ = server.accept()
        if mode == "badserver":
            if bad_server(link, numbers[0]):
                return
            continue
        work = unauthorized if mode == "unauth" else relay
        threading.Thread(target=_quietly, args=(work, link, *numbers), daemon=True).start()


def _quietly(work: object, *arguments: object) -> None:
    assert callable(work)
    try:
        work(*arguments)
    except OSError:
        return


if __name__ == "__main__":
    main()
