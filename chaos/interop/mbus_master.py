"""Reads meters with pyMeterBus: PORT (a device, or socket://HOST:PORT), then primary (1..250) or secondary addresses.

Secondary addresses are given in the order of the wire, as this library takes them. One JSON object a line:
{"address": .., "telegrams": [{"records": [{"storage", "type", "unit", "value"}], "more": false}]}
"""

import json
import sys

import meterbus
import serial

MOST_TELEGRAMS = 16


def telegram(port):
    frame = meterbus.recv_frame(port, 1)
    if not frame:
        raise SystemExit(f"no telegram: {frame!r}")
    return meterbus.load(frame)


def acknowledged(port, what):
    if not isinstance(telegram(port), meterbus.TelegramACK):
        raise SystemExit(f"{what}: not acknowledged")


def request(port, address, toggle):
    """The library's own request with its frame count bit, turned over for every further telegram."""
    frame = meterbus.send_request_frame_multi(None, address)
    frame.header.cField.parts = [0x5B if toggle else 0x7B]
    meterbus.send_request_frame_multi(port, address, frame)
    return telegram(port)


def told(one):
    shown = [record.interpreted for record in one.records]
    records = [
        {"storage": int(each["storage_number"]), "type": each["type"], "unit": each["unit"], "value": each["value"]}
        for each in shown
        if each.get("type")
    ]
    return {"records": records, "more": one.more_records_follow}


def read(port, address):
    if len(address) == 16:
        meterbus.send_select_frame(port, address)
        acknowledged(port, f"selection of {address}")
        primary = meterbus.ADDRESS_NETWORK_LAYER
    else:
        primary = int(address)
        meterbus.send_ping_frame(port, primary)
        acknowledged(port, f"reset of {address}")
    telegrams = []
    while not telegrams or telegrams[-1]["more"]:
        if len(telegrams) == MOST_TELEGRAMS:
            raise SystemExit(f"{address}: more than {MOST_TELEGRAMS} telegrams")
        telegrams.append(told(request(port, primary, len(telegrams) % 2 == 1)))
    return {"address": address, "telegrams": telegrams}


def main(where, *addresses):
    # A pseudo-terminal has no parity, and some systems refuse to be asked for one; a socket ignores all of it.
    with serial.serial_for_url(where, 9600, 8, "N", 1, timeout=3) as port:
        for address in addresses:
            print(json.dumps(read(port, address), default=str))


main(*sys.argv[1:])
