"""Makes the database of the older push server: three hosts, two of them with details.

Usage: old_server_database.py FILE START READINGS
"""

import json
import sqlite3
import sys

path, start, readings = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
database = sqlite3.connect(path)
database.executescript(
    """
    CREATE TABLE metrics (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        timestamp INTEGER NOT NULL,
        hostname TEXT NOT NULL,
        cpu REAL NOT NULL,
        ram REAL NOT NULL,
        disk REAL NOT NULL,
        disk_read REAL DEFAULT 0,
        disk_write REAL DEFAULT 0
    );
    CREATE TABLE host_details (
        hostname TEXT PRIMARY KEY,
        details TEXT NOT NULL,
        updated_at INTEGER NOT NULL
    );
    """
)
for number in range(readings):
    for host in range(3):
        database.execute(
            "INSERT INTO metrics (timestamp, hostname, cpu, ram, disk, disk_read, disk_write)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (start + 30 * number, f"old-{host}", number % 100 + 0.1, 50 + host, 41.2, 0.18, 0.5),
        )
for host in range(2):
    details = json.dumps({"system": {"hostname": f"old-{host}"}, "rank": host})
    database.execute("INSERT INTO host_details VALUES (?, ?, ?)", (f"old-{host}", details, start))
database.commit()
database.close()
