"""Publishes each line of standard input with Python's Client, 100 commands per request."""

import itertools
import json
import sys

from cent.core import Client

client = Client(sys.argv[1], sys.argv[2], timeout=30)
while lines := list(itertools.islice(sys.stdin, 100)):
    for line in lines:
        client.add("publish", json.loads(line))
    replies, error = client.send()
    if error or len(replies) != len(lines) or any(reply["error"] for reply in replies):
        sys.exit(f"{error or replies}")
