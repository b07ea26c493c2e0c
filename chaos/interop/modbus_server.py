"""Serves holding registers with pymodbus: tcp, rtu-over-tcp or serial; UNIT START, and the registers as a JSON list.

Prints where it can be read once it can be: HOST:PORT, or a device. Ends with its standard input.
"""

import asyncio
import json
import os
import sys
import tty

from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

# Bytes taken from a terminal at once.
PIECE = 512


def device(unit, start, registers):
    data = SimData(address=start, values=registers, datatype=DataType.REGISTERS)
    return SimDevice(id=unit, simdata=[data])


def crossed_terminals():
    """Two terminals that are each other's far end: one for the server, one for its master."""
    loop = asyncio.get_running_loop()
    pairs = [os.openpty(), os.openpty()]
    for _, terminal in pairs:
        tty.setraw(terminal)
    (one, _), (other, _) = pairs
    for source, sink in [(one, other), (other, one)]:
        loop.add_reader(source, lambda source=source, sink=sink: os.write(sink, os.read(source, PIECE)))
    return [os.ttyname(terminal) for _, terminal in pairs]


async def serve(kind, unit, start, registers):
    held = device(unit, start, registers)
    if kind == "serial":
        own, masters = crossed_terminals()
        server = ModbusSerialServer(held, framer=FramerType.RTU, port=own, baudrate=9600, parity="N")
        await server.serve_forever(background=True)
        return server, masters
    framer = FramerType.RTU if kind == "rtu-over-tcp" else FramerType.SOCKET
    server = ModbusTcpServer(held, framer=framer, address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    host, port = server.transport.sockets[0].getsockname()[:2]
    return server, f"{host}:{port}"


async def main(kind, unit, start, registers):
    server, where = await serve(kind, int(unit), int(start), json.loads(registers))
    print(where, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.shutdown()


asyncio.run(main(*sys.argv[1:]))
