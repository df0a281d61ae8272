"""One round of the monitoring stack's forwarder: forwarder.py EXPORTER SERVER.

Asks /system twice, reckons what the disks moved in between, and pushes a reading. Prints what was
pushed and what was answered.
"""

import json
import sys
import time
from datetime import datetime

import requests

MEBIBYTE = 1024 * 1024


def main():
    source, target = sys.argv[1:3]
    first = requests.get(f"http://{source}/system", timeout=10).json()
    time.sleep(0.2)
    system = requests.get(f"http://{source}/system", timeout=10).json()
    seconds = (
        datetime.fromisoformat(system["collected_at"])
        - datetime.fromisoformat(first["collected_at"])
    ).total_seconds() or 1.0
    rates = {
        name: max(0, system["disk_io"][f"{name}_bytes"] - first["disk_io"][f"{name}_bytes"]) / seconds
        for name in ("read", "write")
    }
    system["throughput"] = {
        **{f"disk_{name}_bytes_per_sec": rate for name, rate in rates.items()},
        **{f"disk_{name}_mb_per_sec": rate / MEBIBYTE for name, rate in rates.items()},
    }
    reading = {
        "hostname": system["system"]["hostname"],
        "cpu": system["cpu"]["percent"],
        "ram": system["memory"]["percent"],
        "disk": system["disk"]["percent"],
        "timestamp": int(time.time()),
        "disk_read": round(rates["read"] / MEBIBYTE, 3),
        "disk_write": round(rates["write"] / MEBIBYTE, 3),
        "details": system,
    }
    answer = requests.post(f"http://{target}/metrics", json=reading, timeout=10)
    answer.raise_for_status()
    print(json.dumps({"reading": reading, "answer": answer.json()}))


main()
