"""Prints what psutil says before and after one GET of /system, and what that said in between.

Usage: beside_psutil.py http://127.0.0.1:PORT/system
"""

import json
import platform
import socket
import sys
import time
import urllib.request

import psutil


def reading(mount):
    memory = psutil.virtual_memory()
    swap = psutil.swap_memory()
    disk = psutil.disk_usage(mount)
    return {
        "cpu": {
            "logical_cores": psutil.cpu_count(),
            "physical_cores": psutil.cpu_count(logical=False),
        },
        "memory": {name: getattr(memory, name) for name in memory._fields},
        "swap": {name: getattr(swap, name) for name in swap._fields},
        "disk": {name: getattr(disk, name) for name in disk._fields},
        "disk_io": psutil.disk_io_counters()._asdict(),
        "network": {"io_counters": psutil.net_io_counters()._asdict()},
        "uptime": {"seconds": int(time.time() - psutil.boot_time())},
        "boot_time": psutil.boot_time(),
        "load": dict(zip(("1", "5", "15"), psutil.getloadavg())),
        "system": {
            "hostname": socket.gethostname(),
            "os": platform.system(),
            "os_release": platform.release(),
            "os_version": platform.version(),
            "architecture": platform.machine(),
        },
    }


def interfaces():
    """Per interface what the kernel says about it, the first IPv4 address included."""
    stats = psutil.net_if_stats()
    duplex = {
        psutil.NIC_DUPLEX_FULL: "full",
        psutil.NIC_DUPLEX_HALF: "half",
        psutil.NIC_DUPLEX_UNKNOWN: None,
    }
    found = {}
    for name, addresses in psutil.net_if_addrs().items():
        ipv4 = [a for a in addresses if a.family == socket.AF_INET]
        found[name] = {
            "ipv4": [a.address for a in ipv4],
            "netmask": [a.netmask for a in ipv4],
            "broadcast": [a.broadcast for a in ipv4],
            "mtu": stats[name].mtu if name in stats else None,
            "speed_mbps": stats[name].speed if name in stats else None,
            "duplex": duplex[stats[name].duplex] if name in stats else None,
        }
    return found


def main():
    psutil.cpu_percent()
    before = reading("/")
    with urllib.request.urlopen(sys.argv[1], timeout=20) as answer:
        system = json.load(answer)
    after = reading("/")
    busy = psutil.cpu_percent()
    print(json.dumps({
        "before": before,
        "system": system,
        "after": after,
        "interfaces": interfaces(),
        "busy": busy,
    }))


main()
