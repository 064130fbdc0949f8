"""librdkafka's mock cluster as a process of its own: brokers of Kafka's protocol, made for testing clients.

    python _kafka_mock.py BROKERS

Prints the ports of the brokers on one line, and runs until standard input ends.
"""

from __future__ import annotations

import sys

from confluent_kafka import Producer


def main() -> None:
    """Run the cluster."""
    producer = Producer({"test.mock.num.brokers": int(sys.argv[1])})
    producer.produce("orders", b"first", partition=0)
    producer.flush(10)
    brokers = producer.list_topics(timeout=10).brokers
    print(*(brokers[number].port for number in sorted(brokers)), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
