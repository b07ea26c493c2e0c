"""Reads holding registers with pymodbus: tcp HOST:PORT, rtu-over-tcp HOST:PORT or serial DEVICE; UNIT START COUNT.

Prints the registers as a JSON list.
"""

import json
import sys

from pymodbus import FramerType
from pymodbus.client import ModbusSerialClient, ModbusTcpClient


def client(kind, where):
    if kind == "serial":
        # A pseudo-terminal has no parity, and some systems refuse to be asked for one.
        return ModbusSerialClient(where, baudrate=9600, parity="N", timeout=3)
    host, port = where.rsplit(":", 1)
    framer = FramerType.RTU if kind == "rtu-over-tcp" else FramerType.SOCKET
    return ModbusTcpClient(host, port=int(port), framer=framer, timeout=3)


def main(kind, where, unit, start, count):
    with client(kind, where) as master:
        reply = master.read_holding_registers(int(start), count=int(count), device_id=int(unit))
        if reply.isError():
            raise SystemExit(f"{where}: {reply}")
        print(json.dumps(reply.registers))


main(*sys.argv[1:])
