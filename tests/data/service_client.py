"""The calls that a service's Python client makes, with requests and psutil.

service_client.py ADDRESS KEY PHASE prints one JSON object; PHASE is "whole", "before" or "after" a
restart of the server, or "crowd": fifty clients at once.
"""

import concurrent.futures
import json
import sys

import psutil
import requests


class Client:
    def __init__(self, address, name, key):
        self.base = f"http://{address}"
        self.name = name
        self.headers = {"Content-Type": "application/json"}
        if key:
            self.headers["Authorization"] = f"Bearer {key}"

    def post(self, path, body):
        answer = requests.post(self.base + path, json=body, headers=self.headers, timeout=30)
        return [answer.status_code, answer.json()]

    def get(self, path):
        return requests.get(self.base + path, headers=self.headers, timeout=30).json()

    def status(self, status, endpoint=None):
        body = {"name": self.name, "status": status}
        if endpoint:
            body["endpoint"] = endpoint
        return self.post("/services/", body)

    def metrics(self):
        measured = {
            "cpu": psutil.cpu_percent(),
            "memory": psutil.virtual_memory().percent,
            "disk": psutil.disk_usage("/").percent,
        }
        return [
            self.post("/metrics/", {"service": self.name, "metric_type": kind, "value": value})
            for kind, value in measured.items()
        ]

    def pipeline(self, kind, status, metadata=None):
        body = {"pipeline_type": kind, "status": status}
        if metadata:
            body["metadata"] = metadata
        return self.post("/pipelines/", body)

    def alert(self, title, message, severity=1):
        return self.post(
            "/alerts/",
            {"title": title, "message": message, "severity": severity, "service": self.name},
        )


def crowd(address, key):
    def one(number):
        client = Client(address, f"crowd-{number}", key)
        answers = [client.status("up"), *client.metrics(), client.alert("t", "m", 2)]
        sample = {"agent_id": "crowd", "cpu": {"total_percent": number}}
        return [*answers, client.post("/metrics", sample)]

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = [answer for answers in pool.map(one, range(50)) for answer in answers]
    return [status for status, _ in answers]


def main():
    address, key, phase = sys.argv[1:4]
    client = Client(address, "py", key)
    told = {}
    if phase == "crowd":
        told["statuses"] = crowd(address, key)
    if phase in ("whole", "before"):
        told["status"] = client.status("up", "http://py:8000")
        told["metrics"] = client.metrics()
        told["pipeline"] = client.pipeline("training", "running", {"step": "fit", "progress": 45})
        told["alert"] = client.alert("Metrics Collection Failed", "no route", severity=2)
    if phase in ("whole", "after"):
        told["ended"] = client.pipeline("training", "failed")
        told["down"] = client.status("down")
        told["services"] = client.get("/services/")
        told["pipelines"] = client.get("/pipelines/")
        told["alerts"] = client.get("/alerts/")
        told["read"] = client.get("/metrics/?service=py")
    print(json.dumps(told))


main()
