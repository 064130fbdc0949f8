"""What lies in the servers of the data centre when all is as it should be."""

from __future__ import annotations

ROLES = {"1001": "cashier", "1002": "cashier", "1003": "auditor"}
CUSTOMERS = {1: "120.50", 2: "0.00", 3: "-17.25"}
BILLING = (
    "create table schema_history (version text, installed timestamptz default now())",
    "insert into schema_history values ('2.4.1')",
    "create table backup_log (finished timestamptz, ok boolean)",
    "insert into backup_log values (now(), true)",
    "create table batch (state text, finished timestamptz)",
    "insert into batch values ('OK', now())",
    "create table account_role (staff_no text, role text)",
    "create table customer (id integer primary key, balance numeric(12, 2))",
    "create table muster_probe (token varchar(64) not null)",
    "grant select on schema_history, backup_log, batch, account_role, customer to monitor",
    "grant insert, select, delete on muster_probe to monitor",
)
CONF = "server=prod\nregion=gd\n"
DAILY = "15 2 * * * root /srv/billing/backup.sh\n"
LIVELY = """
jetstream {{ store_dir: "{dir}/js" }}
authorization {{ users = [
  {{ user: monitor, password: "{password}", permissions: {{
      publish: ["_INBOX.muster.>", "$JS.API.STREAM.INFO.ORDERS", "$JS.API.CONSUMER.INFO.ORDERS.billing"],
      subscribe: "_INBOX.muster.>" }} }}
  {{ user: admin, password: admin }} ] }}
"""
STREAM = {"name": "ORDERS", "subjects": ["orders"]}
CONSUMER = {
    "stream_name": "ORDERS",
    "config": {"name": "billing", "durable_name": "billing", "ack_policy": "explicit"},
}
TOPICS = """
user monitor
topic readwrite muster/probe/#
topic read plant/status
user plant
topic readwrite plant/#
"""
SUBSCRIPTION = (
    "id:0\ndestination:/amq/queue/billing.orders\nack:client-individual\nprefetch-count:1\nreceipt:in\n"
)
OWN_QUEUE = r"muster\.probe\..*"
CACHE_RIGHTS = (
    "~muster:*",
    "resetchannels",
    "-@all",
    "+ping",
    "+info",
    "+config|get",
    "+set",
    "+get",
    "+del",
)
