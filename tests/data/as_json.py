"""Prints a YAML file or a property list as JSON: as_json.py FILE"""

import json
import plistlib
import sys

import yaml

path = sys.argv[1]
with open(path, "rb") as file:
    content = plistlib.load(file) if path.endswith(".plist") else yaml.safe_load(file)
json.dump(content, sys.stdout)
